/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transform/threads.h"

/* --- what the cgroups allow, in cores, rounded up */

static int32_t quota = INT32_MAX;

static void lower_quota(double cores) {
  if (!(cores > 0) || cores >= INT32_MAX) return;
  int32_t whole = (int32_t)cores;
  if (whole < cores) whole++;
  if (whole < quota) quota = whole;
}

static bool read_line(const char *folder, const char *path, const char *name, char *out, int size) {
  char whole[PATH_MAX];
  int length = snprintf(whole, sizeof whole, "%s%s/%s", folder, path, name);
  FILE *file = length < (int)sizeof whole ? fopen(whole, "re") : NULL;
  if (!file) return false;
  bool read = fgets(out, size, file) != NULL;
  fclose(file);
  return read;
}

/* "max 100000" or "150000 100000" */
static void read_unified(const char *path) {
  char line[128];
  double used, period;
  if (!read_line("/sys/fs/cgroup", path, "cpu.max", line, sizeof line)) return;
  if (sscanf(line, "%lf %lf", &used, &period) == 2 && period > 0) lower_quota(used / period);
}

static void read_divided(const char *path) {
  char used[64], period[64];
  if (read_line("/sys/fs/cgroup/cpu", path, "cpu.cfs_quota_us", used, sizeof used) &&
      read_line("/sys/fs/cgroup/cpu", path, "cpu.cfs_period_us", period, sizeof period)) {
    lower_quota(atof(used) / atof(period));
  }
}

/* Reads the quota of a group and of all groups above it. */
static void read_group(char *path, void (*read)(const char *path)) {
  path[strcspn(path, "\n")] = 0;
  for (;;) {
    char *last = strrchr(path, '/');
    if (last && last[1] == 0) *last = 0;
    read(path);
    last = strrchr(path, '/');
    if (!last) return;
    *last = 0;
  }
}

/* Reads lines such as "0::/path" (cgroup 2) and "4:cpu,cpuacct:/path" (cgroup 1). */
static void read_quota(void) {
  char line[PATH_MAX];
  FILE *file = fopen("/proc/self/cgroup", "re");
  while (file && fgets(line, sizeof line, file)) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    char *cpu = strstr(controllers, "cpu");
    if (controllers[1] == 0) {
      read_group(path, read_unified);
    } else if (cpu && (cpu[3] == 0 || cpu[3] == ',')) {
      read_group(path, read_divided);
    }
  }
  if (file) fclose(file);
}

/* --- what the thread may run on */

/* Counts the cores on machines that have more of them than a cpu_set_t holds. */
static int32_t count_many(void) {
  int32_t count = 0;
  for (int most = 8 * CPU_SETSIZE; most <= (1 << 20) && count == 0; most *= 8) {
    cpu_set_t *cores = CPU_ALLOC(most);
    if (!cores) break;
    size_t size = CPU_ALLOC_SIZE(most);
    if (sched_getaffinity(0, size, cores) == 0) count = CPU_COUNT_S(size, cores);
    CPU_FREE(cores);
  }
  return count;
}

int32_t vc_cpu_count(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_quota);
  cpu_set_t cores;
  int32_t count =
      sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : count_many();
  if (count < 1) count = 1;
  return count < quota ? count : quota;
}
