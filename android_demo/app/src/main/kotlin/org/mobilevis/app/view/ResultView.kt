package org.mobilevis.app.view

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.Path
import android.util.AttributeSet
import android.util.TypedValue
import android.view.View

/** Of the fill of a mask, of 255; the contour is opaque. */
private const val FILL_ALPHA = 96
private const val CONTOUR_DP = 1.5f
private const val LABEL_SP = 13f
private const val LABEL_PADDING_DP = 3f

/**
 * The frame that was computed, as large as it fits, with its objects over it.
 *
 * The picture is the computed frame itself and not a camera's preview: on a preview, which runs ahead of the
 * network, masks would trail behind what moves.
 */
class ResultView(
    context: Context,
    attributes: AttributeSet? = null,
) : View(context, attributes) {
    private var picture: Bitmap? = null
    private var overlay: Overlay? = null
    private val toView = Matrix()
    private val boxToView = Matrix()
    private val path = Path()
    private val picturePaint = Paint(Paint.FILTER_BITMAP_FLAG)
    private val fill = Paint(Paint.ANTI_ALIAS_FLAG)
    private val contour =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            style = Paint.Style.STROKE
            strokeJoin = Paint.Join.ROUND
            strokeWidth = pixels(TypedValue.COMPLEX_UNIT_DIP, CONTOUR_DP)
        }
    private val bar = Paint()
    private val text =
        Paint(Paint.ANTI_ALIAS_FLAG).apply { textSize = pixels(TypedValue.COMPLEX_UNIT_SP, LABEL_SP) }
    private val padding = pixels(TypedValue.COMPLEX_UNIT_DIP, LABEL_PADDING_DP)

    /** Shows a frame. [picture] of any size has the frame's aspect; it is not to be changed before the next call. */
    fun show(
        picture: Bitmap?,
        overlay: Overlay?,
    ) {
        this.picture = picture
        this.overlay = overlay
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        canvas.drawColor(Color.BLACK)
        val picture = picture ?: return
        val scale = minOf(width.toFloat() / picture.width, height.toFloat() / picture.height)
        val left = (width - picture.width * scale) / 2
        val top = (height - picture.height * scale) / 2
        toView.setScale(scale, scale)
        toView.postTranslate(left, top)
        canvas.drawBitmap(picture, toView, picturePaint)
        val overlay = overlay ?: return
        // From the frame's pixels: the picture may show every second one only.
        val frameScale = picture.width * scale / overlay.frameSize.width
        for (item in overlay.objects) drawMask(canvas, item, frameScale, left, top)
        for (item in overlay.objects) drawLabel(canvas, item, frameScale, left, top)
    }

    private fun drawMask(
        canvas: Canvas,
        item: ObjectShape,
        scale: Float,
        left: Float,
        top: Float,
    ) {
        boxToView.setTranslate(item.box.x0.toFloat(), item.box.y0.toFloat())
        boxToView.postScale(scale, scale)
        boxToView.postTranslate(left, top)
        item.outline.transform(boxToView, path)
        fill.color = item.color
        fill.alpha = FILL_ALPHA
        contour.color = item.color
        canvas.drawPath(path, fill)
        canvas.drawPath(path, contour)
    }

    private fun drawLabel(
        canvas: Canvas,
        item: ObjectShape,
        scale: Float,
        left: Float,
        top: Float,
    ) {
        val wide = text.measureText(item.label) + 2 * padding
        val high = text.fontSpacing
        val x = (left + item.box.x0 * scale).coerceIn(0f, maxOf(0f, width - wide))
        val y = (top + item.box.y0 * scale - high).coerceIn(0f, maxOf(0f, height - high))
        bar.color = item.color
        canvas.drawRect(x, y, x + wide, y + high, bar)
        text.color = inkOn(item.color)
        canvas.drawText(item.label, x + padding, y + high - text.fontMetrics.descent, text)
    }

    private fun pixels(
        unit: Int,
        value: Float,
    ): Float = TypedValue.applyDimension(unit, value, resources.displayMetrics)
}
