package org.mobilevis.app.stream

import android.graphics.ImageFormat
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.util.Size
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.mobilevis.app.testApp
import org.mobilevis.app.waitUntil
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.StreamConfigurationMapBuilder
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit.MILLISECONDS
import java.util.concurrent.TimeUnit.SECONDS

@RunWith(RobolectricTestRunner::class)
@Config(shadows = [RefusingCameras::class, FakeReaders::class])
class CameraSourceTest {
    private val manager = testApp.getSystemService(CameraManager::class.java)
    private val cameras = Shadow.extract<RefusingCameras>(manager)
    private val frames = LinkedBlockingQueue<CapturedFrame>()
    private val faults = CopyOnWriteArrayList<SourceFault>()
    private val source by lazy { CameraSource(manager, CameraCharacteristics.LENS_FACING_BACK, displayDegrees = 0) }
    private val started = ArrayList<CameraSource>()

    @Before
    fun addCameras() {
        FakeReaders.readers.clear()
        addCamera("back", CameraCharacteristics.LENS_FACING_BACK)
        addCamera("front", CameraCharacteristics.LENS_FACING_FRONT)
    }

    @After
    fun close() = started.forEach { it.close() }

    private fun addCamera(
        id: String,
        facing: Int,
        format: Int = ImageFormat.YUV_420_888,
    ) {
        val characteristics = ShadowCameraCharacteristics.newCameraCharacteristics()
        val shadow = Shadow.extract<ShadowCameraCharacteristics>(characteristics)
        val sizes =
            StreamConfigurationMapBuilder
                .newBuilder()
                .addOutputSize(format, Size(1920, 1080))
                .addOutputSize(format, Size(1280, 720))
                .build()
        shadow.set(CameraCharacteristics.LENS_FACING, facing)
        shadow.set(CameraCharacteristics.SENSOR_ORIENTATION, 90)
        shadow.set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, sizes)
        cameras.addCamera(id, characteristics)
    }

    private fun start(source: CameraSource = this.source) {
        started += source
        source.start({ frames += it }, { faults += it })
    }

    private fun run() {
        start()
        waitUntil("the reader") { FakeReaders.readers.isNotEmpty() }
    }

    private fun take(): CapturedFrame = checkNotNull(frames.poll(30, SECONDS)) { "no frame: $faults" }

    private fun waitForFault(): SourceFault {
        waitUntil("a fault") { faults.isNotEmpty() }
        return faults.single()
    }

    private fun waitForEnd() =
        waitUntil("the thread's end") { Thread.getAllStackTraces().keys.none { it.name == "camera" } }

    @Test
    fun `images of the wanted size are delivered upright, and closed when they are read`() {
        run()
        assertEquals(1280 to 720, FakeReaders.readers.last().let { it.width to it.height })
        val image = FakeImage(rows = 720, columns = 1280)
        FakeReaders.current.give(image)
        val captured = take()
        assertEquals(1280 to 720, captured.frame.height to captured.frame.width)
        assertEquals(0, image.closes)
        captured.close()
        assertEquals(1, image.closes)
    }

    @Test
    fun `no more images are held than the reader has`() {
        run()
        repeat(3) { FakeReaders.current.give(FakeImage(72, 128)) }
        val held = List(2) { take() }
        assertEquals(null, frames.poll(200, MILLISECONDS))
        held[0].close()
        FakeReaders.current.give(FakeImage(72, 128))
        take()
    }

    @Test
    fun `a reader outlives its source until its last image is closed`() {
        run()
        val reader = FakeReaders.current
        reader.give(FakeImage(72, 128))
        val captured = take()
        source.close()
        waitForEnd()
        assertEquals(0, reader.closes)
        captured.close()
        waitUntil("the reader is closed") { reader.closes == 1 }
    }

    @Test
    fun `a device without a camera on that side says so`() {
        cameras.removeCamera("back")
        start()
        assertEquals(SourceFault.NO_CAMERA, waitForFault())
    }

    @Test
    fun `a camera that another app has is told, and opened when that app lets go`() {
        cameras.refusals += CameraAccessException(CameraAccessException.CAMERA_IN_USE)
        start()
        assertEquals(SourceFault.CAMERA_IN_USE, waitForFault())
        cameras.tellAvailable("front")
        cameras.tellAvailable("back")
        waitUntil("the reader") { FakeReaders.readers.isNotEmpty() }
        assertEquals(2, cameras.openings)
        FakeReaders.current.give(FakeImage(72, 128))
        take()
    }

    @Test
    fun `a camera that is taken away is told, and opened again when it is free`() {
        run()
        val before = FakeReaders.current
        cameras.triggerDisconnect()
        assertEquals(SourceFault.CAMERA_IN_USE, waitForFault())
        waitUntil("the reader is closed") { before.closes == 1 }
        cameras.tellAvailable("back")
        waitUntil("a new reader") { FakeReaders.readers.size == 2 }
        FakeReaders.current.give(FakeImage(72, 128))
        take()
    }

    @Test
    fun `a closed source does not take the camera back`() {
        run()
        cameras.triggerDisconnect()
        waitForFault()
        source.close()
        waitForEnd()
        cameras.tellAvailable("back")
        assertEquals(1, cameras.openings)
    }

    @Test
    fun `each refusal has its own words`() {
        val expected =
            mapOf(
                CameraAccessException(CameraAccessException.MAX_CAMERAS_IN_USE) to SourceFault.CAMERA_IN_USE,
                CameraAccessException(CameraAccessException.CAMERA_DISABLED) to SourceFault.CAMERA_DISABLED,
                CameraAccessException(CameraAccessException.CAMERA_DISCONNECTED) to SourceFault.CAMERA_FAILED,
                SecurityException("no permission") to SourceFault.NO_PERMISSION,
                IllegalArgumentException("unplugged") to SourceFault.CAMERA_FAILED,
            )
        for ((refusal, fault) in expected) {
            faults.clear()
            cameras.refusals += refusal
            val one = CameraSource(manager, CameraCharacteristics.LENS_FACING_BACK, 0)
            start(one)
            assertEquals("$refusal", fault, waitForFault())
        }
    }

    @Test
    fun `each error of an open camera has its own words, and ends the images`() {
        val expected =
            mapOf(
                CameraDevice.StateCallback.ERROR_CAMERA_IN_USE to SourceFault.CAMERA_IN_USE,
                CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE to SourceFault.CAMERA_IN_USE,
                CameraDevice.StateCallback.ERROR_CAMERA_DISABLED to SourceFault.CAMERA_DISABLED,
                CameraDevice.StateCallback.ERROR_CAMERA_DEVICE to SourceFault.CAMERA_FAILED,
                CameraDevice.StateCallback.ERROR_CAMERA_SERVICE to SourceFault.CAMERA_FAILED,
            )
        for ((error, fault) in expected) {
            faults.clear()
            FakeReaders.readers.clear()
            val one = CameraSource(manager, CameraCharacteristics.LENS_FACING_BACK, 0)
            start(one)
            waitUntil("the reader") { FakeReaders.readers.isNotEmpty() }
            cameras.tellError(error)
            assertEquals("$error", fault, waitForFault())
            waitUntil("the reader is closed") { FakeReaders.current.closes == 1 }
        }
    }

    @Test
    fun `a camera without the wanted format says that it failed`() {
        cameras.removeCamera("back")
        addCamera("back", CameraCharacteristics.LENS_FACING_BACK, ImageFormat.PRIVATE)
        start()
        assertEquals(SourceFault.CAMERA_FAILED, waitForFault())
        assertTrue(FakeReaders.readers.isEmpty())
    }
}
