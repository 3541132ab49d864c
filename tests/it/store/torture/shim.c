/*
 * Loaded before libc into a torture child (LD_PRELOAD): it writes down, in order, everything that the child does to the
 * files below one folder, and can do harm at a chosen call. What survives a power cut is computed from the trace
 * (trace.rs, disk.rs), so that one run gives thousands of power cuts.
 *
 *   SHIM_ROOT=FOLDER     only what lies below is written down and counted
 *   SHIM_TRACE=FILE      where to write it down
 *   SHIM_DROP=CALLS      syncs to swallow, as a careless store would leave them out: "data" (fdatasync, which is what
 *                        a commit waits for), "folder" (of folders)
 *   SHIM_HARM=N:HARM     at the N-th call, from 1: "kill" (before it), "eio", "enospc" (instead of it, and of every
 *                        later one), "short" (a write of half of the bytes, which is no error)
 *
 * One lock is held over a call and its record, so that the order in the trace is the order in which it happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { OPEN = 1, CLOSE, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, SAID };
enum harm { NONE, KILL, EIO_FROM, ENOSPC_FROM, SHORT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static int trace = -1;
static int drop_data, drop_folder;
static uint64_t calls, harm_at;
static enum harm harm;
static __thread int inside;

static void put(const void *bytes, size_t count) {
    const char *at = bytes;
    while (count > 0) {
        ssize_t done = syscall(SYS_write, trace, at, count);
        if (done <= 0) _exit(97);
        at += done;
        count -= (size_t)done;
    }
}

/* A record: kind, descriptor, offset, length of the path, length of the data; path; data (a second path for RENAME). */
static void record(enum kind kind, int fd, uint64_t offset, const char *path, const void *data, size_t length) {
    if (trace < 0) return;
    uint64_t head[5] = {kind, (uint64_t)fd, offset, path ? strlen(path) : 0, length};
    put(head, sizeof head);
    if (path) put(path, strlen(path));
    if (length) put(data, length);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("SHIM_ROOT");
    if (!text || !realpath(text, root)) root[0] = 0;
    if ((text = getenv("SHIM_TRACE"))) trace = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    text = getenv("SHIM_DROP");
    drop_data = text && strstr(text, "data");
    drop_folder = text && strstr(text, "folder");
    if ((text = getenv("SHIM_HARM"))) {
        harm_at = strtoull(text, NULL, 10);
        harm = strstr(text, ":kill") ? KILL : strstr(text, ":eio") ? EIO_FROM : strstr(text, ":enospc") ? ENOSPC_FROM : SHORT;
    }
}

#define REAL(name) static __typeof__(name) *real_##name; if (!real_##name) real_##name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static void enter(void) { pthread_mutex_lock(&lock); inside++; }
static void leave(void) { int saved = errno; inside--; pthread_mutex_unlock(&lock); errno = saved; }

/* The path that a call names, made whole; 0 if it does not lie below the root. */
static int whole(int folder, const char *path, char *out) {
    char base[PATH_MAX] = "";
    if (!root[0] || !path) return 0;
    if (path[0] != '/') {
        char link[64];
        ssize_t length;
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        length = readlink(link, base, sizeof base - 2);
        if (length < 0) return 0;
        base[length] = '/';
        base[length + 1] = 0;
    }
    if (strlen(base) + strlen(path) >= PATH_MAX) return 0;
    strcpy(out, base);
    strcat(out, path);
    size_t end = strlen(root);
    return strncmp(out, root, end) == 0 && (out[end] == '/' || out[end] == 0);
}

/* The path of a descriptor below the root. */
static int path_of(int fd, char *out) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = root[0] ? readlink(link, out, PATH_MAX - 1) : -1;
    if (length < 0) return 0;
    out[length] = 0;
    size_t end = strlen(root);
    return strncmp(out, root, end) == 0 && (out[end] == '/' || out[end] == 0);
}

/* Counts a call that changes or syncs something; -1 with errno if it is to fail. */
static int count(void) {
    calls++;
    if (harm == KILL && calls == harm_at) kill(getpid(), SIGKILL);
    if (harm == EIO_FROM && harm_at && calls >= harm_at) { errno = EIO; return -1; }
    if (harm == ENOSPC_FROM && harm_at && calls >= harm_at) { errno = ENOSPC; return -1; }
    return 0;
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    REAL(openat64);
    if (inside || !whole(folder, path, full)) return real_openat64(folder, path, flags, mode);
    enter();
    struct stat st;
    int is_new = (flags & O_CREAT) && fstatat(folder, path, &st, 0) != 0;
    int fd = -1;
    if (!(is_new || (flags & O_TRUNC)) || count() == 0) {
        fd = real_openat64(folder, path, flags, mode);
        /* Data: whether it was created, whether it was emptied. */
        char how[2] = {(char)is_new, (flags & O_TRUNC) ? 1 : 0};
        if (fd >= 0) record(OPEN, fd, 0, full, how, sizeof how);
    }
    leave();
    return fd;
}

static mode_t mode_of(int flags, va_list rest) { return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; }
#define OPEN_BODY(folder) va_list rest; va_start(rest, flags); mode_t mode = mode_of(flags, rest); va_end(rest); return open_any(folder, path, flags, mode)
int open(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int open64(const char *path, int flags, ...) { OPEN_BODY(AT_FDCWD); }
int openat(int folder, const char *path, int flags, ...) { OPEN_BODY(folder); }
int openat64(int folder, const char *path, int flags, ...) { OPEN_BODY(folder); }

int close(int fd) {
    REAL(close);
    char path[PATH_MAX];
    if (inside || !path_of(fd, path)) return real_close(fd);
    enter();
    record(CLOSE, fd, 0, NULL, NULL, 0);
    int done = real_close(fd);
    leave();
    return done;
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off_t offset, int is_positioned) {
    REAL(write);
    REAL(pwrite64);
    char path[PATH_MAX];
    if (inside) return is_positioned ? real_pwrite64(fd, bytes, length, offset) : real_write(fd, bytes, length);
    int is_ours = path_of(fd, path);
    if (!is_ours && fd != 1) return is_positioned ? real_pwrite64(fd, bytes, length, offset) : real_write(fd, bytes, length);
    enter();
    ssize_t done = -1;
    if (!is_ours) {
        record(SAID, fd, 0, NULL, bytes, length);
        done = real_write(fd, bytes, length);
    } else if (count() == 0) {
        if (harm == SHORT && calls == harm_at && length > 1) length /= 2;
        if (!is_positioned) offset = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
        done = is_positioned ? real_pwrite64(fd, bytes, length, offset) : real_write(fd, bytes, length);
        if (done > 0) record(WRITE, fd, (uint64_t)offset, NULL, bytes, (size_t)done);
    }
    leave();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_at(fd, bytes, length, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return write_at(fd, bytes, length, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return write_at(fd, bytes, length, offset, 1); }

static int truncate_any(int fd, off64_t length) {
    REAL(ftruncate64);
    char path[PATH_MAX];
    if (inside || !path_of(fd, path)) return real_ftruncate64(fd, length);
    enter();
    int done = count();
    if (done == 0 && (done = real_ftruncate64(fd, length)) == 0) record(TRUNCATE, fd, (uint64_t)length, NULL, NULL, 0);
    leave();
    return done;
}

int ftruncate(int fd, off_t length) { return truncate_any(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_any(fd, length); }

static int sync_any(int fd, int is_data_only) {
    REAL(fsync);
    REAL(fdatasync);
    char path[PATH_MAX];
    struct stat st;
    if (inside || !path_of(fd, path)) return is_data_only ? real_fdatasync(fd) : real_fsync(fd);
    enter();
    int done = count();
    int is_dropped = fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) ? drop_folder : drop_data && is_data_only);
    if (done == 0 && !is_dropped) {
        /* The trace decides what survives; a real sync would only be slow. */
        record(SYNC, fd, 0, NULL, NULL, 0);
    }
    leave();
    return done;
}

int fsync(int fd) { return sync_any(fd, 0); }
int fdatasync(int fd) { return sync_any(fd, 1); }

/* It gives no promise that a power cut would keep, and no record; but it counts, and fails where the disk fails. */
int sync_file_range(int fd, off64_t offset, off64_t length, unsigned int flags) {
    REAL(sync_file_range);
    char path[PATH_MAX];
    if (inside || !path_of(fd, path)) return real_sync_file_range(fd, offset, length, flags);
    enter();
    int done = count();
    leave();
    return done;
}

static int rename_any(int from_folder, const char *from, int to_folder, const char *to) {
    REAL(renameat);
    char a[PATH_MAX], b[PATH_MAX];
    if (inside || !whole(from_folder, from, a) || !whole(to_folder, to, b)) return real_renameat(from_folder, from, to_folder, to);
    enter();
    int done = count();
    if (done == 0 && (done = real_renameat(from_folder, from, to_folder, to)) == 0) record(RENAME, -1, 0, a, b, strlen(b));
    leave();
    return done;
}

int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_folder, const char *from, int to_folder, const char *to) { return rename_any(from_folder, from, to_folder, to); }

static int unlink_any(int folder, const char *path, int flags) {
    REAL(unlinkat);
    char full[PATH_MAX];
    if (inside || !whole(folder, path, full)) return real_unlinkat(folder, path, flags);
    enter();
    int done = count();
    if (done == 0 && (done = real_unlinkat(folder, path, flags)) == 0) record((flags & AT_REMOVEDIR) ? RMDIR : UNLINK, -1, 0, full, NULL, 0);
    leave();
    return done;
}

int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return unlink_any(folder, path, flags); }
int rmdir(const char *path) { return unlink_any(AT_FDCWD, path, AT_REMOVEDIR); }

static int mkdir_any(int folder, const char *path, mode_t mode) {
    REAL(mkdirat);
    char full[PATH_MAX];
    if (inside || !whole(folder, path, full)) return real_mkdirat(folder, path, mode);
    enter();
    int done = count();
    if (done == 0 && (done = real_mkdirat(folder, path, mode)) == 0) record(MKDIR, -1, 0, full, NULL, 0);
    leave();
    return done;
}

int mkdir(const char *path, mode_t mode) { return mkdir_any(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return mkdir_any(folder, path, mode); }
