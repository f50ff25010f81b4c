/* Makes the disk under one file slow or faulty: built by the tests and loaded before the server (LD_PRELOAD).
 *
 * FAULTY_DISK_FILE  the beginning of the paths it is about, such as /tmp/x/audit.db
 * FAULTY_DISK_ORDER a file that says what to do, looked at before every call: an empty or missing one means nothing;
 *                   otherwise its first word is `delay`, `fail-sync`, `fail-write` or `short-write`, its second a number:
 *                   milliseconds, or how many of 100 calls fail.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_ours(int fd) {
    static char prefix[4096];
    static int known = 0;
    char link[64], path[4096];
    ssize_t length;
    if (!known) {
        const char *wanted = getenv("FAULTY_DISK_FILE");
        snprintf(prefix, sizeof prefix, "%s", wanted ? wanted : "");
        known = 1;
    }
    if (!prefix[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, prefix, strlen(prefix)) == 0;
}

/* The order's word and number; 0 when there is none. */
static int order(char word[32], int *number) {
    const char *file = getenv("FAULTY_DISK_ORDER");
    char text[64];
    ssize_t length;
    int fd;
    if (!file || (fd = open(file, O_RDONLY | O_CLOEXEC)) < 0) return 0;
    length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return 0;
    text[length] = 0;
    return sscanf(text, "%31s %d", word, number) == 2;
}

static int falls(int of_100) {
    static __thread unsigned seed = 0;
    if (!seed) seed = (unsigned)time(NULL) ^ (unsigned)getpid();
    return (int)(rand_r(&seed) % 100) < of_100;
}

static void pause_for(int milliseconds) {
    struct timespec span = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000L};
    while (nanosleep(&span, &span) != 0 && errno == EINTR) {}
}

#define REAL(name, type) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, name)

typedef int (*sync_call)(int);
typedef ssize_t (*write_call)(int, const void *, size_t);
typedef ssize_t (*place_call)(int, const void *, size_t, off64_t);

static int before_sync(int fd) {
    char word[32];
    int number;
    if (!is_ours(fd) || !order(word, &number)) return 0;
    if (strcmp(word, "delay") == 0) pause_for(number);
    if (strcmp(word, "fail-sync") == 0 && falls(number)) {
        errno = EIO;
        return -1;
    }
    return 0;
}

int fsync(int fd) {
    REAL("fsync", sync_call);
    return before_sync(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL("fdatasync", sync_call);
    return before_sync(fd) ? -1 : real(fd);
}

/* How much of a write is let through; -1 fails it. */
static ssize_t let_through(int fd, size_t count) {
    char word[32];
    int number;
    if (!is_ours(fd) || !order(word, &number)) return (ssize_t)count;
    if (strcmp(word, "fail-write") == 0 && falls(number)) {
        errno = ENOSPC;
        return -1;
    }
    if (strcmp(word, "short-write") == 0 && count > 1 && falls(number)) return (ssize_t)(count / 2);
    return (ssize_t)count;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL("write", write_call);
    int before = errno;
    ssize_t part = let_through(fd, count);
    if (part < 0) return -1;
    errno = before;
    return real(fd, bytes, (size_t)part);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t place) {
    REAL("pwrite64", place_call);
    int before = errno;
    ssize_t part = let_through(fd, count);
    if (part < 0) return -1;
    errno = before;
    return real(fd, bytes, (size_t)part, place);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t place) { return pwrite64(fd, bytes, count, place); }
