/* What differs between bionic, Android's C library, and glibc on x86-64: for bionic.py, which exports bionic_NAME as NAME.
 * Numbers are those of bionic's headers, android.googlesource.com/platform/bionic/+/main/libc/include. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* Before API 23, stdin, stdout and stderr are the elements of an array of 152 bytes each. */
enum { FILE_BYTES = 152, LOG_ERROR = 6 };
char bionic___sF[3 * FILE_BYTES];
FILE *bionic_stdout, *bionic_stderr;

static FILE *host(void *file) {
  FILE *const standard[] = {stdin, stdout, stderr};
  const long offset = (char *)file - bionic___sF;
  return offset >= 0 && offset < (long)sizeof bionic___sF ? standard[offset / FILE_BYTES] : file;
}

__attribute__((constructor)) static void set_streams(void) {
  bionic_stdout = stdout;
  bionic_stderr = stderr;
}

int bionic_vfprintf(void *file, const char *format, va_list arguments) { return vfprintf(host(file), format, arguments); }
int bionic_fprintf(void *file, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = vfprintf(host(file), format, arguments);
  va_end(arguments);
  return written;
}
size_t bionic_fwrite(const void *items, size_t size, size_t count, void *file) { return fwrite(items, size, count, host(file)); }
int bionic_fputc(int c, void *file) { return fputc(c, host(file)); }
int bionic_fputs(const char *text, void *file) { return fputs(text, host(file)); }
int bionic_getc(void *file) { return getc(host(file)); }
int bionic_ungetc(int c, void *file) { return ungetc(c, host(file)); }
wint_t bionic_fputwc(wchar_t c, void *file) { return fputwc(c, host(file)); }
wint_t bionic_getwc(void *file) { return getwc(host(file)); }
wint_t bionic_ungetwc(wint_t c, void *file) { return ungetwc(c, host(file)); }
int bionic_setvbuf(void *file, char *buffer, int mode, size_t size) { return setvbuf(host(file), buffer, mode, size); }
int bionic_fflush(void *file) { return fflush(file ? host(file) : NULL); }
int bionic_fclose(void *file) { return fclose(host(file)); }
int bionic_ferror(void *file) { return ferror(host(file)); }
int bionic_fileno(void *file) { return fileno(host(file)); }

int *bionic___errno(void) { return &errno; }
char *bionic___gnu_strerror_r(int error, char *text, size_t size) { return strerror_r(error, text, size); }
int __xpg_strerror_r(int, char *, size_t);
int bionic_strerror_r(int error, char *text, size_t size) { return __xpg_strerror_r(error, text, size); }

/* The sizes of the buffers are for checks that end the process. */
size_t bionic___strlen_chk(const char *text, size_t size) { return (void)size, strlen(text); }
char *bionic___strchr_chk(const char *text, int c, size_t size) { return (void)size, strchr(text, c); }
char *bionic___strrchr_chk(const char *text, int c, size_t size) { return (void)size, strrchr(text, c); }
ssize_t bionic___write_chk(int file, const void *bytes, size_t count, size_t size) { return (void)size, write(file, bytes, count); }

long bionic_sysconf(int name) {
  switch (name) {
    case 0x27: case 0x28: return sysconf(_SC_PAGESIZE);
    case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
    case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
    case 0x62: return sysconf(_SC_PHYS_PAGES);
    case 0x63: return sysconf(_SC_AVPHYS_PAGES);
    default: return errno = EINVAL, -1;
  }
}

/* bionic's sigset_t has 8 bytes, glibc's 128. */
int bionic_sigfillset(unsigned long *signals) { return *signals = ~0UL, 0; }
int bionic_pthread_sigmask(int how, const unsigned long *new, unsigned long *old) {
  sigset_t given, before;
  if (new) memset(&given, 0, sizeof given), memcpy(&given, new, sizeof *new);
  const int failed = pthread_sigmask(how, new ? &given : NULL, &before);
  if (old) memcpy(old, &before, sizeof *old);
  return failed;
}

int bionic___system_property_get(const char *name, char *value) { return (void)name, *value = 0, 0; }
void bionic_android_set_abort_message(const char *message) { fprintf(stderr, "%s\n", message); }
void bionic___assert2(const char *file, int line, const char *function, const char *what) {
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, function, what);
  abort();
}

int bionic___android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) {
  if (priority < LOG_ERROR) return 0;
  fprintf(stderr, "%s: ", tag ? tag : "");
  const int written = vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  return written;
}
int bionic___android_log_print(int priority, const char *tag, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int written = bionic___android_log_vprint(priority, tag, format, arguments);
  va_end(arguments);
  return written;
}
int bionic___android_log_write(int priority, const char *tag, const char *message) {
  return bionic___android_log_print(priority, tag, "%s", message);
}
void bionic___android_log_assert(const char *condition, const char *tag, const char *format, ...) {
  va_list arguments;
  fprintf(stderr, "%s: ", condition ? condition : "");
  va_start(arguments, format);
  if (format) bionic___android_log_vprint(LOG_ERROR, tag, format, arguments);
  va_end(arguments);
  abort();
}
