// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pair.h"
#include "sysfs.h"

const char *const sysfs_readable[SYSFS_READABLES] = {
	"version", "stats/total_reads", "stats/total_writes", "stats/total_remaps",
	"stats/total_lost", "stats/total_errors", "stats/targets", "health/worst_score",
	"health/active_scans", "health/overhead_ppm", "./name", "./uuid", "./label", "./main",
	"./spare", "./state", "./stats/reads", "./stats/writes", "./stats/read_sectors",
	"./stats/write_sectors", "./stats/read_errors", "./stats/write_errors", "./stats/remaps",
	"./stats/lost_sectors", "./stats/salvaged", "./stats/retired_slots", "./stats/commits",
	"./health/score", "./health/state", "./health/trend",
	"./health/predicted_exhaustion_hours", "./health/slow_reads", "./health/scan_position",
	"./health/scan_passes", "./health/scan_errors", "./health/overhead_ppm",
	"./health/expected_pass_hours", "./metadata/sequence", "./metadata/good_copies",
	"./metadata/copies", "./metadata/repairs", "./metadata/slots_total",
	"./metadata/slots_used",
};

const struct sysfs_config sysfs_configs[SYSFS_CONFIGS] = {
	{ "read_retries", { "0", "100" }, { "101", "-1", "", "x", "1 2", "0x1" } },
	{ "remap_burst", { "1", "1000000" }, { "0", "1000001", "4294967297", "+1", " 1", "1." } },
	{ "remap_burst_seconds", { "1", "86400" }, { "0", "86401", "1e3", "60s", "-60", "\t1" } },
	{ "auto_remap", { "0", "1" }, { "2", "y", "on", "-0", "1\n\n", "true" } },
	{ "scan_enabled", { "0", "1" }, { "2", "y", "on", "-0", "01x", "\n" } },
	{ "scan_interval_hours", { "1", "87600" }, { "0", "87601", "-1", "1h", "x", " " } },
	{ "scan_chunk_kib", { "4", "4096" }, { "3", "4097", "0", "4k", "-4", "4 4" } },
	{ "scan_duty_ppm", { "1", "1000000" }, { "0", "1000001", "1%", "x", "-1", "1,0" } },
	{ "scan_idle_duty_ppm", { "1", "1000000" }, { "0", "1000001", "1%", "x", "-1", "1,0" } },
	{ "slow_read_ms", { "1", "600000" }, { "0", "600001", "1s", "x", "-1", "18446744073709551617" } },
	{ "verify_writes", { "all", "off" }, { "0", "2", "Near", "offf", "nea", "off near" } },
	{ "spare_low_percent", { "1", "100" }, { "0", "101", "80%", "x", "-1", "99999999999999999999" } },
};

const char *sysfs_directory(const char *name)
{
	static _Thread_local char path[64];
	char node[64];
	struct stat stats;

	snprintf(node, sizeof(node), "/dev/mapper/%s", name);
	assert_int_equal(stat(node, &stats), 0);
	snprintf(path, sizeof(path), "targets/dm-%u", minor(stats.st_rdev));
	return path;
}

const char *sysfs_path(const char *file)
{
	static _Thread_local char path[192];

	if (strncmp(file, "./", 2))
		snprintf(path, sizeof(path), SYSFS "/%s", file);
	else
		snprintf(path, sizeof(path), SYSFS "/%s/%s", sysfs_directory(NAME), file + 2);
	return path;
}

const char *sysfs_text(const char *file)
{
	static char texts[3][4096];
	static unsigned int turn;
	char *text = texts[turn++ % 3];
	int fd = open(sysfs_path(file), O_RDONLY);
	ssize_t size;

	if (fd < 0)
		fail_msg("%s: %s", sysfs_path(file), strerror(errno));
	size = read(fd, text, sizeof(texts[0]) - 1);
	close(fd);
	if (size < 1 || text[size - 1] != '\n' || memchr(text, '\n', size - 1))
		fail_msg("%s is no line", file);
	text[size - 1] = 0;
	return text;
}

long long sysfs_number(const char *file)
{
	const char *text = sysfs_text(file);
	char *end;
	long long number = strtoll(text, &end, 10);

	if (end == text || *end)
		fail_msg("%s: '%s' is no number", file, text);
	return number;
}

void sysfs_says(const char *file, const char *text)
{
	if (strcmp(sysfs_text(file), text))
		fail_msg("%s: '%s' instead of '%s'", file, sysfs_text(file), text);
}

void sysfs_becomes(const char *file, const char *text)
{
	unsigned int tries;

	for (tries = 0; tries < 600 && strcmp(sysfs_text(file), text); tries++)
		usleep(20000);
	sysfs_says(file, text);
}

int sysfs_put_bytes(const char *file, const char *bytes, size_t size)
{
	int fd = open(sysfs_path(file), O_WRONLY);
	int r = fd < 0 || write(fd, bytes, size) != (ssize_t)size ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

int sysfs_put(const char *file, const char *text)
{
	return sysfs_put_bytes(file, text, strlen(text));
}

unsigned int sysfs_files_below(const char *path)
{
	char below[512];
	struct dirent *entry;
	DIR *files = opendir(path);
	unsigned int n = 0;

	assert_non_null(files);
	while ((entry = readdir(files))) {
		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_REG)
			n++;
		else if (entry->d_name[0] != '.')
			n += sysfs_files_below(below);
	}
	closedir(files);
	return n;
}
