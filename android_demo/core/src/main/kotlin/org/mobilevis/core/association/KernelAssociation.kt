package org.mobilevis.core.association

/**
 * Gives identities to the kernels of successive keyframes by their cosine: which kernel of this keyframe is which
 * object of the last one (MobileInst §3.4).
 */
interface KernelAssociation {
    /**
     * Identities of this keyframe's kernels.
     *
     * @param kernels (N, D) values, row by row.
     * @param scores best class score of each kernel, in [0, 1].
     * @param count N.
     * @param identities N identities from 1 go here, or 0 for a kernel that is no object.
     */
    fun update(
        kernels: FloatArray,
        scores: FloatArray,
        count: Int,
        identities: IntArray,
    )
}

/**
 * N slots; a kernel takes over the slot of the kernel it is most like, all slots at once. The paper's; it has no
 * parameter.
 *
 * @param width D, values of a kernel.
 */
class SlotAssociation(
    width: Int,
) : KernelAssociation {
    private var slots = Rows(width)
    private var kernels = Rows(width)
    private val assignment = Assignment()
    private var gain = DoubleArray(0)
    private var kernelOfSlot = IntArray(0)

    override fun update(
        kernels: FloatArray,
        scores: FloatArray,
        count: Int,
        identities: IntArray,
    ) {
        val now = this.kernels
        now.resize(count)
        for (row in 0 until count) {
            now.copyRow(kernels, row, row)
            now.normalise(row)
        }
        if (slots.count != count) {
            begin(count, identities)
            return
        }
        val width = slots.width
        for (slot in 0 until count) {
            for (kernel in 0 until count) {
                gain[slot * count + kernel] =
                    dot(slots.values, slot * width, now.values, kernel * width, width).toDouble()
            }
        }
        assignment.solve(gain, count, count, kernelOfSlot)
        for (slot in 0 until count) {
            val kernel = kernelOfSlot[slot]
            identities[kernel] = slot + 1
            slots.copyRow(now.values, kernel, slot)
        }
    }

    private fun begin(
        count: Int,
        identities: IntArray,
    ) {
        val before = slots
        slots = kernels
        kernels = before
        gain = DoubleArray(count * count)
        kernelOfSlot = IntArray(count)
        for (i in 0 until count) identities[i] = i + 1
    }
}
