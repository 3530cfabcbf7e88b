/* SPDX-License-Identifier: Apache-2.0 */
/* The process as the kernel sees it (proc(5)), under the names that Prometheus's own libraries use. */
#include "hub/metrics/metrics.h"

#include "lib/kit/loop.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Linux says how many there are since 6.2; before, they are to be counted. */
static int64_t open_fds(void)
{
	struct stat st;
	DIR *dir;
	int64_t n = 0;

	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return st.st_size;
	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return 0;
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the one that reads them */
}

/* Fields 1 and 2 of statm are in pages. */
static void memory(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long size, resident, page = sysconf(_SC_PAGESIZE);

	if (f == NULL)
		return;
	if (fscanf(f, "%lld %lld", &size, &resident) == 2) {
		metric_set(process_virtual, size * page);
		metric_set(process_resident, resident * page);
	}
	fclose(f);
}

/* Field 22 of stat: ticks between boot and start. The name, field 2, may hold anything but a ')' behind it. */
static int64_t started_ms(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	char text[1024];
	size_t len = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	const char *at;
	long long ticks = 0;
	struct timespec up;

	if (f != NULL)
		fclose(f);
	text[len] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL || sscanf(at, "%lld", &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	return wall_now_ms() - up.tv_sec * 1000 - up.tv_nsec / 1000000 +
	       ticks * 1000 / sysconf(_SC_CLK_TCK);
}

void metrics_process(void)
{
	static int64_t cpu_us;
	struct timespec cpu = { 0 };
	struct rlimit fds = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	metric_follow(process_cpu, 0, (int64_t)cpu.tv_sec * 1000000 + cpu.tv_nsec / 1000, &cpu_us);
	metric_set(process_fds, open_fds());
	if (getrlimit(RLIMIT_NOFILE, &fds) == 0)
		metric_set(process_fds_max, (int64_t)fds.rlim_cur);
	memory();
	if (metrics_cells[METRIC_CELL_process_start] == 0)
		metric_set(process_start, started_ms());
}
