package org.mobilevis.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class UserErrorTest {
    @Test
    fun `the message is one line with the file and what to do`() {
        assertEquals("it broke (a.pte): copy it again", UserError("it broke", "a.pte", "copy it again").message)
        assertEquals("it broke: copy it again", UserError("it broke", fix = "copy it again").message)
        assertEquals("it broke", UserError("it broke").message)
    }
}
