package org.mobilevis.app.benchmark

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import org.mobilevis.core.UserError
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException

/** Gives the last report, and nothing else, to the app that the user shares it with. */
class ReportProvider : ContentProvider() {
    override fun onCreate() = true

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor {
        if (uri != REPORT || mode != "r") throw FileNotFoundException(uri.toString())
        return ParcelFileDescriptor.open(reportFile(requireContext()), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun getType(uri: Uri) = REPORT_TYPE

    override fun query(
        uri: Uri,
        projection: Array<out String>?,
        selection: String?,
        selectionArgs: Array<out String>?,
        sortOrder: String?,
    ): Cursor {
        val columns = projection ?: arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)
        val cursor = MatrixCursor(columns)
        val file = reportFile(requireContext())
        if (uri == REPORT && file.exists()) {
            val row = cursor.newRow()
            row.add(OpenableColumns.DISPLAY_NAME, file.name)
            row.add(OpenableColumns.SIZE, file.length())
        }
        return cursor
    }

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ): Uri? = null

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        selectionArgs: Array<out String>?,
    ) = 0

    override fun delete(
        uri: Uri,
        selection: String?,
        selectionArgs: Array<out String>?,
    ) = 0

    companion object {
        const val REPORT_TYPE = "application/json"

        /** The last report. */
        val REPORT: Uri = Uri.parse("content://org.mobilevis.app.reports/latency.json")

        /** Where it lies. */
        fun reportFile(context: Context) = File(context.filesDir, "latency.json")

        /**
         * Replaces the last report.
         *
         * @throws UserError it cannot be written; the one before is as it was.
         */
        fun writeReport(
            context: Context,
            json: String,
        ) {
            val file = reportFile(context)
            val partial = File("${file.path}.partial")
            try {
                partial.writeText(json)
                if (!partial.renameTo(file)) throw IOException("no file can be made")
            } catch (error: IOException) {
                partial.delete()
                val what = "the report cannot be written: ${error.message}"
                throw UserError(what, file.name, "free some space on this device, then start again", error)
            }
        }
    }
}
