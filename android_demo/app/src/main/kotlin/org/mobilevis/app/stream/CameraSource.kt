package org.mobilevis.app.stream

import android.annotation.SuppressLint
import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.media.Image
import android.media.ImageReader
import android.os.Handler
import android.os.HandlerThread
import android.util.Size
import org.mobilevis.core.frame.Rotation

/** The least resolution that no phone's model outgrows, and one that every camera has. */
private val WANTED = Size(1280, 720)

/** One in the network, one that comes meanwhile and is dropped. */
private const val IMAGES = 2

/**
 * Frames of a camera.
 *
 * @param cameras the system's service.
 * @param facing `LENS_FACING_BACK` or `LENS_FACING_FRONT`.
 * @param displayDegrees how far the display is turned from the device's own upright, counter-clockwise.
 */
class CameraSource(
    private val cameras: CameraManager,
    private val facing: Int,
    private val displayDegrees: Int,
) : FrameSource {
    private val thread = HandlerThread("camera")
    private lateinit var handler: Handler
    private lateinit var deliver: (CapturedFrame) -> Unit
    private lateinit var fail: (SourceFault) -> Unit
    private var device: CameraDevice? = null
    private var images: CameraImages? = null
    private var id: String? = null
    private var isRefused = false
    private var isClosed = false

    /** A camera that another app had is opened as soon as it is free. */
    private val availability =
        object : CameraManager.AvailabilityCallback() {
            override fun onCameraAvailable(cameraId: String) {
                if (cameraId == id && device == null && isRefused) guard(::open)
            }
        }

    override fun start(
        deliver: (CapturedFrame) -> Unit,
        fail: (SourceFault) -> Unit,
    ) {
        this.deliver = deliver
        this.fail = fail
        thread.start()
        handler = Handler(thread.looper)
        handler.post {
            guard {
                id = findCamera()
                cameras.registerAvailabilityCallback(availability, handler)
                open()
            }
        }
    }

    override fun close() {
        handler.post {
            isClosed = true
            closeDevice()
            cameras.unregisterAvailabilityCallback(availability)
        }
        thread.quitSafely()
    }

    private fun findCamera(): String? =
        cameras.cameraIdList.firstOrNull {
            cameras.getCameraCharacteristics(it).get(CameraCharacteristics.LENS_FACING) == facing
        }

    @SuppressLint("MissingPermission") // whoever starts a source has asked; a refusal is a SecurityException
    private fun open() {
        val id = id
        if (isClosed) return
        if (id == null) return fail(SourceFault.NO_CAMERA)
        isRefused = false
        cameras.openCamera(id, DeviceCallback(), handler)
    }

    private inner class DeviceCallback : CameraDevice.StateCallback() {
        override fun onOpened(camera: CameraDevice) {
            if (isClosed) return camera.close()
            device = camera
            guard { startSession(camera) }
        }

        override fun onDisconnected(camera: CameraDevice) = refuse(camera, SourceFault.CAMERA_IN_USE)

        override fun onError(
            camera: CameraDevice,
            error: Int,
        ) = refuse(camera, faultOf(error))

        private fun refuse(
            camera: CameraDevice,
            fault: SourceFault,
        ) {
            camera.close()
            closeDevice()
            isRefused = fault == SourceFault.CAMERA_IN_USE
            if (!isClosed) fail(fault)
        }
    }

    @Suppress("DEPRECATION") // its successor SessionConfiguration is API 28
    private fun startSession(camera: CameraDevice) {
        val characteristics = cameras.getCameraCharacteristics(camera.id)
        val size = chooseSize(characteristics) ?: return fail(SourceFault.CAMERA_FAILED)
        val sensor = characteristics.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0
        val isFront = facing == CameraCharacteristics.LENS_FACING_FRONT
        val images = CameraImages(size, Rotation.of(uprightDegrees(sensor, displayDegrees, isFront)), handler, deliver)
        this.images = images
        camera.createCaptureSession(listOf(images.surface), SessionCallback(images), handler)
    }

    private inner class SessionCallback(
        private val images: CameraImages,
    ) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(session: CameraCaptureSession) {
            if (isClosed || device !== session.device) return
            guard {
                val request = session.device.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW)
                request.addTarget(images.surface)
                session.setRepeatingRequest(request.build(), null, handler)
            }
        }

        override fun onConfigureFailed(session: CameraCaptureSession) = fail(SourceFault.CAMERA_FAILED)
    }

    private fun closeDevice() {
        device?.close()
        device = null
        images?.close()
        images = null
    }

    /** Runs [body]; what Camera2 throws becomes one fault. */
    private fun guard(body: () -> Unit) {
        try {
            body()
        } catch (error: CameraAccessException) {
            isRefused = error.reason in BUSY
            fail(faultOf(error))
        } catch (_: SecurityException) {
            fail(SourceFault.NO_PERMISSION)
        } catch (_: IllegalStateException) {
            fail(SourceFault.CAMERA_FAILED) // the device was closed between two calls
        } catch (_: IllegalArgumentException) {
            fail(SourceFault.CAMERA_FAILED) // a camera that can be unplugged is gone
        }
    }
}

private val BUSY = listOf(CameraAccessException.CAMERA_IN_USE, CameraAccessException.MAX_CAMERAS_IN_USE)

private fun faultOf(error: CameraAccessException): SourceFault =
    when (error.reason) {
        in BUSY -> SourceFault.CAMERA_IN_USE
        CameraAccessException.CAMERA_DISABLED -> SourceFault.CAMERA_DISABLED
        else -> SourceFault.CAMERA_FAILED
    }

private fun faultOf(error: Int): SourceFault =
    when (error) {
        CameraDevice.StateCallback.ERROR_CAMERA_IN_USE,
        CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE,
        -> SourceFault.CAMERA_IN_USE
        CameraDevice.StateCallback.ERROR_CAMERA_DISABLED -> SourceFault.CAMERA_DISABLED
        else -> SourceFault.CAMERA_FAILED
    }

/**
 * Clockwise degrees that make the sensor's picture upright on the display.
 *
 * @param sensor `SENSOR_ORIENTATION`.
 * @param display how far the display is turned from the device's own upright, counter-clockwise.
 * @param isFront the sensor looks at the user, so the display turns the other way.
 */
internal fun uprightDegrees(
    sensor: Int,
    display: Int,
    isFront: Boolean,
): Int = Math.floorMod(if (isFront) sensor + display else sensor - display, 360)

/** The largest size within 1280 × 720, of YUV; a camera with larger ones only gives its smallest. */
internal fun chooseSize(sizes: List<Size>): Size? {
    val fitting = sizes.filter { it.width <= WANTED.width && it.height <= WANTED.height }
    return fitting.maxByOrNull { it.width * it.height } ?: sizes.minByOrNull { it.width.toLong() * it.height }
}

private fun chooseSize(characteristics: CameraCharacteristics): Size? =
    chooseSize(
        characteristics
            .get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
            ?.getOutputSizes(ImageFormat.YUV_420_888)
            .orEmpty()
            .toList(),
    )

/**
 * Images of a camera; the reader lives until the last image that it gave is closed, for its memory goes with it.
 *
 * Used on the camera's thread, but images are closed on any.
 */
private class CameraImages(
    size: Size,
    private val rotation: Rotation,
    handler: Handler,
    private val deliver: (CapturedFrame) -> Unit,
) : AutoCloseable {
    private val reader = ImageReader.newInstance(size.width, size.height, ImageFormat.YUV_420_888, IMAGES)
    private var open = 0
    private var isClosed = false
    val surface get() = reader.surface

    init {
        reader.setOnImageAvailableListener({ take() }, handler)
    }

    private fun take() {
        val image =
            synchronized(this) {
                if (isClosed || open == IMAGES) return
                reader.acquireLatestImage()?.also { open++ } ?: return
            }
        deliver(CapturedFrame(yuvFrame(image, rotation)) { release(image) })
    }

    private fun release(image: Image) =
        synchronized(this) {
            image.close()
            open--
            if (isClosed && open == 0) reader.close()
        }

    override fun close() =
        synchronized(this) {
            isClosed = true
            if (open == 0) reader.close()
        }
}
