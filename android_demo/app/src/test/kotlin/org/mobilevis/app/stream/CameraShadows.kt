package org.mobilevis.app.stream

import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.view.Surface
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowCameraManager
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.Executor

/** Robolectric's cameras, which other apps, the administrator and the hardware may refuse. */
@Implements(CameraManager::class)
class RefusingCameras : ShadowCameraManager() {
    @RealObject
    private lateinit var manager: CameraManager

    /** Thrown in place of opening a camera, once for each that is there. */
    val refusals = CopyOnWriteArrayList<Exception>()

    private lateinit var device: CameraDevice
    private lateinit var callback: CameraDevice.StateCallback
    private lateinit var handler: Handler

    /** Times that a camera was asked for. */
    @Volatile
    var openings = 0
        private set

    @Implementation
    fun openCamera(
        id: String,
        callback: CameraDevice.StateCallback,
        handler: Handler,
    ) {
        openings++
        refusals.removeFirstOrNull()?.let { throw it }
        this.handler = handler
        Shadow.directlyOn<Any, CameraManager>(
            manager,
            CameraManager::class.java,
            "openCamera",
            ClassParameter.from(String::class.java, id),
            ClassParameter.from(CameraDevice.StateCallback::class.java, callback),
            ClassParameter.from(Handler::class.java, handler),
        )
    }

    override fun updateCameraCallback(
        device: CameraDevice,
        callback: CameraDevice.StateCallback,
        handler: Handler?,
        executor: Executor?,
    ) {
        super.updateCameraCallback(device, callback, handler, executor)
        this.device = device
        this.callback = callback
    }

    /** The open camera tells an error, as `CameraDevice.StateCallback.onError` has it. */
    fun tellError(error: Int) {
        handler.post { callback.onError(device, error) }
    }

    /** As when another app lets go of a camera. */
    fun tellAvailable(id: String) {
        val characteristics = manager.getCameraCharacteristics(id)
        removeCamera(id)
        addCamera(id, characteristics)
    }
}

/** Image readers that hold what a test puts in. */
@Implements(ImageReader::class)
class FakeReaders {
    private val images = CopyOnWriteArrayList<FakeImage>()
    private var listener: ImageReader.OnImageAvailableListener? = null
    private var handler: Handler? = null
    private val surface = Surface(SurfaceTexture(0))

    @RealObject
    private lateinit var reader: ImageReader

    /** Times that it was closed. */
    @Volatile
    var closes = 0
        private set

    @Implementation
    fun getSurface() = surface

    @Implementation
    fun acquireLatestImage(): Image? = images.removeFirstOrNull()

    @Implementation
    fun setOnImageAvailableListener(
        told: ImageReader.OnImageAvailableListener?,
        on: Handler?,
    ) {
        listener = told
        handler = on
        readers += reader
    }

    @Implementation
    fun close() {
        closes++
    }

    /** A picture was taken. */
    fun give(image: FakeImage) {
        images += image
        handler!!.post { listener!!.onImageAvailable(reader) }
    }

    companion object {
        /** All that listen, in order. */
        val readers = CopyOnWriteArrayList<ImageReader>()

        /** The last of them. */
        val current: FakeReaders get() = Shadow.extract(readers.last())
    }
}
