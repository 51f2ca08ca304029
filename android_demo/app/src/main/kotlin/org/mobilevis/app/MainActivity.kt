package org.mobilevis.app

import android.Manifest
import android.app.Activity
import android.app.AlertDialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.pm.PackageManager
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.net.Uri
import android.os.Bundle
import android.provider.Settings.ACTION_APPLICATION_DETAILS_SETTINGS
import android.view.Surface
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.TextView
import org.mobilevis.app.benchmark.BenchmarkActivity
import org.mobilevis.app.models.ModelActivity
import org.mobilevis.app.settings.SettingsActivity
import org.mobilevis.app.settings.SourceKind
import org.mobilevis.app.stream.CameraSource
import org.mobilevis.app.stream.FrameSource
import org.mobilevis.app.stream.PacedSource
import org.mobilevis.app.stream.SampleReader
import org.mobilevis.app.stream.SourceFault
import org.mobilevis.app.stream.VideoReader
import org.mobilevis.app.view.ResultView
import org.mobilevis.app.view.hudText

/**
 * The live picture.
 *
 * The session, with the open model, is handed on when the device is turned; it ends when the screen goes out of
 * sight, so that nothing is held in the background.
 */
class MainActivity : Activity() {
    private val picture by lazy { findViewById<ResultView>(R.id.picture) }
    private val hud by lazy { findViewById<TextView>(R.id.hud) }
    private var session: LiveSession? = null
    private var wasRefused = false

    /** The camera is chosen and not allowed: its notice stays, whatever the model has to tell meanwhile. */
    private var lacksPermission = false

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        wasRefused = savedInstanceState?.getBoolean(WAS_REFUSED) ?: false
        session = retained()
        onClick(R.id.models) { startActivity(Intent(this, ModelActivity::class.java)) }
        onClick(R.id.source, ::chooseSource)
        onClick(R.id.settings) { startActivity(Intent(this, SettingsActivity::class.java)) }
        onClick(R.id.benchmark) { startActivity(Intent(this, BenchmarkActivity::class.java)) }
    }

    @Suppress("DEPRECATION") // its successor is a library's ViewModel
    private fun retained() = lastNonConfigurationInstance as LiveSession?

    @Deprecated("Deprecated in Java")
    override fun onRetainNonConfigurationInstance(): Any? = session

    override fun onStart() {
        super.onStart()
        val settings = demo.settings.read()
        val live =
            session ?: LiveSession(
                load = { demo.load(demo.models.file(settings.model), settings.threads) },
                settings.toOptions(),
            )
        session = live
        live.onState = ::show
        connect()
    }

    override fun onStop() {
        super.onStop()
        session?.onState = null
        session?.connect(null)
        if (!isChangingConfigurations) {
            session?.close()
            session = null
        }
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putBoolean(WAS_REFUSED, wasRefused)
    }

    /** Connects the chosen source, after asking for the camera if that is needed. */
    private fun connect() {
        val settings = demo.settings.read()
        lacksPermission = settings.source.isCamera && !isAllowed()
        if (lacksPermission) {
            session?.connect(null)
            showNotice(noticeOf(this, SourceFault.NO_PERMISSION, isBlocked()))
            if (!wasRefused) askForCamera()
            return
        }
        session?.let { show(it.state) }
        session?.connect(makeSource(settings.source, settings.video))
    }

    private fun makeSource(
        kind: SourceKind,
        video: String?,
    ): FrameSource =
        when (kind) {
            SourceKind.BACK_CAMERA -> camera(CameraCharacteristics.LENS_FACING_BACK)
            SourceKind.FRONT_CAMERA -> camera(CameraCharacteristics.LENS_FACING_FRONT)
            SourceKind.SAMPLE -> PacedSource("sample") { SampleReader(assets) }
            SourceKind.VIDEO -> PacedSource("video") { VideoReader(applicationContext, Uri.parse(video.orEmpty())) }
        }

    @Suppress("DEPRECATION") // Context.getDisplay is API 30
    private fun camera(facing: Int): CameraSource {
        val degrees =
            when (windowManager.defaultDisplay.rotation) {
                Surface.ROTATION_90 -> 90
                Surface.ROTATION_180 -> 180
                Surface.ROTATION_270 -> 270
                else -> 0
            }
        return CameraSource(getSystemService(CameraManager::class.java), facing, degrees)
    }

    // Permission

    private fun isAllowed() = checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED

    /** Android asks no more after two refusals; before the first one the same flag is down as well. */
    private fun isBlocked() = wasRefused && !shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)

    private fun askForCamera() {
        wasRefused = true // until the answer says otherwise: a turned device must not ask a second time
        requestPermissions(arrayOf(Manifest.permission.CAMERA), CAMERA_REQUEST)
    }

    override fun onRequestPermissionsResult(
        requestCode: Int,
        permissions: Array<out String>,
        grantResults: IntArray,
    ) {
        wasRefused = !isAllowed()
        connect()
    }

    // What is shown

    private fun show(state: LiveState) {
        if (lacksPermission && state !is LiveState.ModelFailed) return
        when (state) {
            LiveState.Loading -> showMessage(R.string.loading)
            LiveState.Waiting -> showMessage(R.string.waiting)
            is LiveState.Showing -> showPicture(state)
            is LiveState.ModelFailed -> showNotice(noticeOf(this, state.fault))
            is LiveState.SourceFailed -> showNotice(noticeOf(this, state.fault, isBlocked()))
        }
    }

    private fun showPicture(state: LiveState.Showing) {
        showNotice(null)
        picture.show(state.picture, state.overlay)
        hud.text = hudText(this, state.hud, thermalStatus(this))
        hud.visibility = View.VISIBLE
        val count = state.overlay.objects.size
        picture.contentDescription = resources.getQuantityString(R.plurals.picture_objects, count, count)
    }

    private fun showMessage(text: Int) {
        showNotice(null)
        hud.visibility = View.VISIBLE
        hud.setText(text)
    }

    private fun showNotice(notice: Notice?) {
        findViewById<View>(R.id.notice).visibility = if (notice == null) View.GONE else View.VISIBLE
        if (notice == null) return
        picture.show(null, null)
        hud.visibility = View.GONE
        findViewById<TextView>(R.id.notice_title).text = notice.title
        findViewById<TextView>(R.id.notice_text).text = notice.text
        showAction(R.id.notice_first, notice.actions.first())
        showAction(R.id.notice_second, notice.actions.getOrNull(1))
    }

    private fun showAction(
        id: Int,
        action: NoticeAction?,
    ) {
        val button = findViewById<Button>(id)
        button.visibility = if (action == null) View.GONE else View.VISIBLE
        if (action == null) return
        button.setText(action.label)
        button.setOnClickListener { act(action) }
    }

    private fun act(action: NoticeAction) {
        when (action) {
            NoticeAction.ALLOW_CAMERA -> askForCamera()
            NoticeAction.OPEN_SETTINGS ->
                startActivity(Intent(ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", packageName, null)))
            NoticeAction.CHOOSE_SOURCE -> chooseSource()
            NoticeAction.CHOOSE_MODEL -> startActivity(Intent(this, ModelActivity::class.java))
            NoticeAction.TRY_AGAIN -> connect()
        }
    }

    private fun onClick(
        id: Int,
        action: () -> Unit,
    ) = findViewById<View>(id).setOnClickListener { action() }

    // Sources

    private fun chooseSource() {
        val labels = SourceKind.entries.map { getString(labelOf(it)) }.toTypedArray()
        val chosen =
            demo.settings
                .read()
                .source.ordinal
        AlertDialog
            .Builder(this)
            .setTitle(R.string.source)
            .setSingleChoiceItems(labels, chosen) { dialog, index ->
                dialog.dismiss()
                choose(SourceKind.entries[index])
            }.show()
    }

    private fun choose(kind: SourceKind) {
        if (kind == SourceKind.VIDEO) return pickVideo()
        demo.settings.update { it.copy(source = kind) }
        connect()
    }

    private fun pickVideo() {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("video/*")
        try {
            startActivityForResult(intent, VIDEO_REQUEST)
        } catch (_: ActivityNotFoundException) {
            showNotice(noticeOf(this, SourceFault.VIDEO_UNREADABLE, isBlocked = false))
        }
    }

    override fun onActivityResult(
        requestCode: Int,
        resultCode: Int,
        data: Intent?,
    ) {
        val uri = data?.data ?: return
        if (requestCode != VIDEO_REQUEST || resultCode != RESULT_OK) return
        try {
            contentResolver.takePersistableUriPermission(uri, Intent.FLAG_GRANT_READ_URI_PERMISSION)
        } catch (_: SecurityException) {
            // Its provider gives it until the app ends: the next start says that the video is gone.
        }
        demo.settings.update { it.copy(source = SourceKind.VIDEO, video = uri.toString()) }
        connect()
    }

    private companion object {
        const val CAMERA_REQUEST = 1
        const val VIDEO_REQUEST = 2
        const val WAS_REFUSED = "was_refused"

        fun labelOf(kind: SourceKind) =
            when (kind) {
                SourceKind.BACK_CAMERA -> R.string.source_back
                SourceKind.FRONT_CAMERA -> R.string.source_front
                SourceKind.VIDEO -> R.string.source_video
                SourceKind.SAMPLE -> R.string.source_sample
            }
    }
}
