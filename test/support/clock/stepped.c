// The time of day, ahead by the ms that the file CLOCK_STEP holds. Other clocks are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long step(void) {
  const char *file = getenv("CLOCK_STEP");
  int fd = file ? open(file, O_RDONLY) : -1;
  char text[32] = {0};
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  return n > 0 ? atol(text) : 0;
}

// part: so many of it are a second.
static void forward(time_t *seconds, long *part, long second) {
  long ms = step();
  *seconds += ms / 1000;
  *part += ms % 1000 * (second / 1000);
  if (*part < 0) *part += second, --*seconds;
  if (*part >= second) *part -= second, ++*seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (clock == CLOCK_REALTIME) forward(&time->tv_sec, &time->tv_nsec, 1000000000);
  return result;
}

int gettimeofday(struct timeval *time, void *zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int result = real(time, zone);
  forward(&time->tv_sec, &time->tv_usec, 1000000);
  return result;
}
