/* A disk that forgets: preloaded into a server, it notes how to take back every write that was not synced yet.
 *
 * For regular files below FORGETFUL_FOLDER it appends to FORGETFUL_JOURNAL, before each write, what stood there, and
 * when fsync or fdatasync began and ended. After the server was killed, power.py takes back what no sync that had
 * begun later ended for: that is the disk after a loss of power that kept nothing it need not keep.
 * sync_file_range promises nothing and is not looked at; nor are mmap, fallocate and unlink.
 *
 * A record: kind, then five numbers of 8 bytes (who, inode, offset, size before, length), then `length` bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name, ...) ((__typeof__(&name))real(#name))(__VA_ARGS__)

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

static int journal(void) {
    static int fd = -1;
    static pid_t opened_by;
    if (fd < 0 || opened_by != getpid()) {
        const char *path = getenv("FORGETFUL_JOURNAL");
        /* Far from the numbers that servers close after a fork. */
        int low = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
        if (low < 0) return -1;
        fd = fcntl(low, F_DUPFD_CLOEXEC, 700);
        if (fd < 0) fd = low; else syscall(SYS_close, low);
        opened_by = getpid();
    }
    return fd;
}

static void note(char kind, uint64_t inode, uint64_t offset, uint64_t size, const void *bytes, uint64_t length) {
    uint64_t numbers[5] = {(uint64_t)syscall(SYS_gettid), inode, offset, size, length};
    struct iovec parts[3] = {{&kind, 1}, {numbers, sizeof numbers}, {(void *)bytes, length}};
    int saved = errno, fd = journal();
    if (fd >= 0 && syscall(SYS_writev, fd, parts, 3) != (long)(1 + sizeof numbers + length)) abort();
    errno = saved;
}

static int is_ours(const char *path) {
    const char *folder = getenv("FORGETFUL_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    return folder && strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Whether the descriptor is a file or a folder of ours. */
static int watched(int fd, struct stat *about, char path[PATH_MAX]) {
    char link[32];
    if (fstat(fd, about) != 0 || !(S_ISREG(about->st_mode) || S_ISDIR(about->st_mode))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

static void before_write(int fd, off_t offset, size_t length) {
    struct stat about;
    char path[PATH_MAX];
    int saved = errno;
    if (length == 0 || !watched(fd, &about, path)) { errno = saved; return; }
    if (offset < 0) offset = fcntl(fd, F_GETFL) & O_APPEND ? about.st_size : lseek(fd, 0, SEEK_CUR);
    char *old = NULL;
    ssize_t had = 0;
    if (offset < about.st_size) {
        size_t most = length < (size_t)(about.st_size - offset) ? length : (size_t)(about.st_size - offset);
        /* The descriptor may be open for writing only. */
        int reading = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        old = malloc(most);
        if (!old) abort();
        if (reading >= 0) {
            had = syscall(SYS_pread64, reading, old, most, offset);
            syscall(SYS_close, reading);
        }
    }
    note('w', about.st_ino, offset, about.st_size, old, had > 0 ? had : 0);
    free(old);
    errno = saved;
}

static size_t total(const struct iovec *parts, int count) {
    size_t sum = 0;
    for (int i = 0; i < count; i++) sum += parts[i].iov_len;
    return sum;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    before_write(fd, -1, length);
    return REAL(write, fd, bytes, length);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    before_write(fd, -1, total(parts, count));
    return REAL(writev, fd, parts, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    before_write(fd, offset, length);
    return REAL(pwrite, fd, bytes, length, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    before_write(fd, offset, length);
    return REAL(pwrite64, fd, bytes, length, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    before_write(fd, offset, total(parts, count));
    return REAL(pwritev, fd, parts, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
    before_write(fd, offset, total(parts, count));
    return REAL(pwritev64, fd, parts, count, offset);
}

/* The rest of the file is what is taken back. */
static void before_cut(int fd, off_t length) {
    struct stat about;
    if (fstat(fd, &about) == 0 && about.st_size > length) before_write(fd, length, about.st_size - length);
}

int ftruncate(int fd, off_t length) {
    before_cut(fd, length);
    return REAL(ftruncate, fd, length);
}

int ftruncate64(int fd, off64_t length) {
    before_cut(fd, length);
    return REAL(ftruncate64, fd, length);
}

/* Each sync takes longer by the milliseconds that this file holds, where it is: a slow disk. */
static void dawdle(void) {
    char text[16] = "";
    const char *slow = getenv("FORGETFUL_SLOW");
    int fd = slow ? syscall(SYS_openat, AT_FDCWD, slow, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    if (syscall(SYS_read, fd, text, sizeof text - 1) > 0) usleep(1000 * atoi(text));
    syscall(SYS_close, fd);
}

#define SYNC(name)                                                                           \
    int name(int fd) {                                                                       \
        struct stat about;                                                                   \
        char path[PATH_MAX];                                                                 \
        int saved = errno, ours = watched(fd, &about, path);                                 \
        errno = saved;                                                                       \
        if (!ours) return REAL(name, fd);                                                    \
        note('b', about.st_ino, 0, 0, NULL, 0);                                              \
        dawdle();                                                                            \
        int result = REAL(name, fd);                                                         \
        if (result == 0) note('s', about.st_ino, 0, 0, path, S_ISDIR(about.st_mode) ? strlen(path) : 0); \
        return result;                                                                       \
    }

SYNC(fsync)
SYNC(fdatasync)

/* From, to and, where something was replaced, another name of that, with a zero behind each. */
static void before_rename(const char *from, const char *to) {
    static int replaced;
    struct stat about;
    char names[3][PATH_MAX] = {"", "", ""};
    char text[3 * PATH_MAX];
    if (!realpath(from, names[0]) || stat(names[0], &about) != 0 || !is_ours(names[0])) return;
    if (to[0] == '/') snprintf(names[1], PATH_MAX, "%s", to);
    else if (getcwd(names[1], PATH_MAX)) {
        size_t length = strlen(names[1]);
        snprintf(names[1] + length, PATH_MAX - length, "/%s", to);
    }
    if (access(names[1], F_OK) == 0) {
        snprintf(names[2], PATH_MAX, "%s.%d-%d", getenv("FORGETFUL_JOURNAL"), getpid(), replaced++);
        if (link(names[1], names[2]) != 0) names[2][0] = 0;
    }
    int length = snprintf(text, sizeof text, "%s%c%s%c%s", names[0], 0, names[1], 0, names[2]);
    note('r', about.st_ino, 0, 0, text, length);
}

int rename(const char *from, const char *to) {
    int saved = errno;
    before_rename(from, to);
    errno = saved;
    return REAL(rename, from, to);
}

/* A new file is gone after a loss of power unless it, or its folder, was synced. */
static int after_open(int fd, int is_new) {
    struct stat about;
    char path[PATH_MAX];
    int saved = errno;
    if (fd >= 0 && is_new && watched(fd, &about, path)) note('c', about.st_ino, 0, 0, path, strlen(path));
    errno = saved;
    return fd;
}

#define OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                    \
        mode_t mode = 0;                                                            \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                       \
            va_list more;                                                           \
            va_start(more, flags);                                                  \
            mode = va_arg(more, mode_t);                                            \
            va_end(more);                                                           \
        }                                                                           \
        int saved = errno, is_new = flags & O_CREAT && access(path, F_OK) != 0;     \
        errno = saved;                                                              \
        return after_open(REAL(name, path, flags, mode), is_new);                   \
    }

OPEN(open)
OPEN(open64)
