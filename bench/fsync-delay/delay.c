/*
 * Adds a wait to every fsync and fdatasync, as a cloud disk would: FSYNC_DELAY_US microseconds, none when it is not
 * set.
 *
 *   cc -O2 -shared -fPIC -o libfsync_delay.so delay.c -ldl
 *   FSYNC_DELAY_US=2000 LD_PRELOAD=./libfsync_delay.so pg_ctl start …
 *
 * The wait comes after the real call, so that what is durable when it returns stays durable. PostgreSQL's
 * wal_sync_method must be fdatasync, Linux's default, or fsync: writes to files opened with O_DSYNC are not delayed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static struct timespec delay;

__attribute__((constructor)) static void prepare(void) {
    const char *given = getenv("FSYNC_DELAY_US");
    long microseconds = given ? strtol(given, NULL, 10) : 0;
    if (microseconds > 0) {
        delay.tv_sec = microseconds / 1000000;
        delay.tv_nsec = microseconds % 1000000 * 1000;
    }
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
}

/* Waits, also when a signal comes in between; errno stays what the real call left. */
static int after(int result) {
    int error = errno;
    struct timespec rest = delay;
    while ((rest.tv_sec > 0 || rest.tv_nsec > 0) && nanosleep(&rest, &rest) == -1 && errno == EINTR) {
    }
    errno = error;
    return result;
}

int fsync(int file) {
    return after(real_fsync(file));
}

int fdatasync(int file) {
    return after(real_fdatasync(file));
}
