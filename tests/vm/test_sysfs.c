// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4: which files there are, what they say, what may be written to them, and
 * that neither reads nor writes are in the way of tables that change.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

#define ROOT "/sys/kernel/dm-remap-v4"
#define CONFIGS 12

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

/* ---- Files ---- */

/* "targets/dm-N" of the device of that name; good until the next call. */
static const char *directory(const char *name)
{
	static char path[64];
	char node[64];
	struct stat stats;

	snprintf(node, sizeof(node), "/dev/mapper/%s", name);
	assert_int_equal(stat(node, &stats), 0);
	snprintf(path, sizeof(path), "targets/dm-%u", minor(stats.st_rdev));
	return path;
}

/* @file: below the root, or below the target's directory if it begins with "./". */
static const char *path_of(const char *file)
{
	static char path[192];

	if (strncmp(file, "./", 2))
		snprintf(path, sizeof(path), ROOT "/%s", file);
	else
		snprintf(path, sizeof(path), ROOT "/%s/%s", directory(NAME), file + 2);
	return path;
}

/* The text without its line's end, which it must have; good until the third next call. */
static const char *text_of(const char *file)
{
	static char texts[3][4096];
	static unsigned int turn;
	char *text = texts[turn++ % 3];
	int fd = open(path_of(file), O_RDONLY);
	ssize_t size;

	if (fd < 0)
		fail_msg("%s: %s", path_of(file), strerror(errno));
	size = read(fd, text, sizeof(texts[0]) - 1);
	close(fd);
	if (size < 1 || text[size - 1] != '\n' || memchr(text, '\n', size - 1))
		fail_msg("%s is no line", file);
	text[size - 1] = 0;
	return text;
}

static long long number_of(const char *file)
{
	const char *text = text_of(file);
	char *end;
	long long number = strtoll(text, &end, 10);

	if (end == text || *end)
		fail_msg("%s: '%s' is no number", file, text);
	return number;
}

static void says(const char *file, const char *text)
{
	if (strcmp(text_of(file), text))
		fail_msg("%s: '%s' instead of '%s'", file, text_of(file), text);
}

/* The same within some seconds. */
static void becomes(const char *file, const char *text)
{
	unsigned int tries;

	for (tries = 0; tries < 600 && strcmp(text_of(file), text); tries++)
		usleep(20000);
	says(file, text);
}

/* 0 or a negative errno. */
static int put_bytes(const char *file, const char *bytes, size_t size)
{
	int fd = open(path_of(file), O_WRONLY);
	int r = fd < 0 || write(fd, bytes, size) != (ssize_t)size ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int put(const char *file, const char *text)
{
	return put_bytes(file, text, strlen(text));
}

/* ---- Which files there are ---- */

static const char *const configs[CONFIGS] = {
	"read_retries", "remap_burst", "remap_burst_seconds", "auto_remap", "scan_enabled",
	"scan_interval_hours", "scan_chunk_kib", "scan_duty_ppm", "scan_idle_duty_ppm",
	"slow_read_ms", "verify_writes", "spare_low_percent",
};

static const char *const readable[] = {
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
#define READABLES (sizeof(readable) / sizeof(readable[0]))

static void has_mode(const char *file, mode_t mode)
{
	struct stat stats;

	if (stat(path_of(file), &stats))
		fail_msg("%s: %s", path_of(file), strerror(errno));
	if (!S_ISREG(stats.st_mode) || (stats.st_mode & 07777) != mode || stats.st_uid)
		fail_msg("%s: mode %o of user %u", file, stats.st_mode & 07777, stats.st_uid);
}

/* Regular files below the directory. */
static unsigned int files_below(const char *path)
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
			n += files_below(below);
	}
	closedir(files);
	return n;
}

static void every_file_is_there_with_its_mode(void **state)
{
	char file[64];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	for (i = 0; i < READABLES; i++) {
		has_mode(readable[i], 0444);
		text_of(readable[i]);
	}
	for (i = 0; i < CONFIGS; i++) {
		snprintf(file, sizeof(file), "config/%s", configs[i]);
		has_mode(file, 0644);
		snprintf(file, sizeof(file), "./config/%s", configs[i]);
		has_mode(file, 0644);
	}
	has_mode("config/debug_level", 0644);
	has_mode("./health/scan_state", 0644);
	/* And no others: the target's 33 and its configuration. */
	assert_int_equal(files_below(path_of("./.")), READABLES - 10 + 1 + CONFIGS);
	assert_int_equal(files_below(path_of("stats")), 6);
	assert_int_equal(files_below(path_of("health")), 3);
	assert_int_equal(files_below(path_of("config")), CONFIGS + 1);
}

/* ---- What they say ---- */

static void a_new_target_says_what_it_is(void **state)
{
	struct stat main, spare;
	char table[512], uuid[64];

	(void)state;
	pair_make_disks(&pair, NULL);
	says("health/worst_score", "100");
	says("stats/targets", "0");
	assert_int_equal(pair_open(&pair, "2 label some.name-1"), 0);
	says("version", "4.0.0");
	says("stats/targets", "1");
	says("./name", NAME);
	says("./label", "some.name-1");
	says("./state", "ok");
	assert_int_equal(stat(pair.main.path, &main) | stat(pair.spare.path, &spare), 0);
	snprintf(table, sizeof(table), "%u:%u", major(main.st_rdev), minor(main.st_rdev));
	says("./main", table);
	snprintf(table, sizeof(table), "%u:%u", major(spare.st_rdev), minor(spare.st_rdev));
	says("./spare", table);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_int_equal(sscanf(table, "%*s %*s %*u uuid %63s", uuid), 1);
	says("./uuid", uuid);
	says("./metadata/copies", "good good good good good");
	says("./metadata/good_copies", "5");
	assert_int_equal(number_of("./metadata/slots_total"), pair_status(&pair).total);
	says("./health/state", "healthy");
	says("./health/score", "100");
	says("./health/trend", "stable");
	says("./health/predicted_exhaustion_hours", "-1");
	assert_int_equal(number_of("./metadata/sequence"), pair_status(&pair).sequence);
}

static void a_new_name_is_shown(void **state)
{
	char path[192], text[64];

	(void)state;
	pair_make(&pair, NULL);
	snprintf(path, sizeof(path), "%s", path_of("./name"));
	assert_int_equal(dm_rename(NAME, "another"), 0);
	get_file(path, text, sizeof(text));
	assert_string_equal(text, "another");
	assert_int_equal(dm_rename("another", NAME), 0);
	says("./name", NAME);
	says("./label", "");
}

static void values_are_live(void **state)
{
	long long reads, writes, sectors, remaps, lost, commits, errors;

	(void)state;
	pair_make(&pair, NULL);
	reads = number_of("./stats/reads");
	writes = number_of("./stats/writes");
	sectors = number_of("./stats/write_sectors");
	remaps = number_of("stats/total_remaps");
	lost = number_of("stats/total_lost");
	errors = number_of("stats/total_errors");
	commits = number_of("./stats/commits");
	assert_int_equal(oracle_write(oracle, 800, 16, 0), 0);
	assert_int_equal(oracle_write(oracle, 816, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 800, 8), 0);
	assert_int_equal(number_of("./stats/writes") - writes, 2);
	assert_int_equal(number_of("./stats/write_sectors") - sectors, 24);
	assert_int_equal(number_of("./stats/reads") - reads, 1);
	assert_true(number_of("./stats/read_sectors") >= 8);
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	says("./stats/remaps", "1");
	says("./metadata/slots_used", "1");
	assert_true(number_of("./stats/commits") > commits);
	assert_true(number_of("./stats/write_errors") >= 1);
	assert_int_equal(number_of("stats/total_remaps") - remaps, 1);
	disk_break(&pair.main, 2001, 1);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	says("./stats/lost_sectors", "1");
	says("./state", "degraded");
	assert_true(number_of("./stats/read_errors") >= 1);
	assert_int_equal(number_of("stats/total_lost") - lost, 1);
	assert_true(number_of("stats/total_errors") - errors >= 2);
	disk_mend(&pair.main, 2001, 1);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	says("./stats/salvaged", "1");
	says("./stats/lost_sectors", "0");
	says("./state", "ok");
	assert_int_equal(number_of("stats/total_lost") - lost, 1);
}

static void stats_says_the_same(void **state)
{
	char answer[4096], line[4200];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(put("./config/scan_enabled", "0"), 0);
	assert_int_equal(oracle_write(oracle, 800, 16, 0), 0);
	assert_int_equal(dm_message(NAME, "stats", answer + 1, sizeof(answer) - 1), 0);
	answer[0] = '\n';
	for (i = 0; i < READABLES; i++) {
		if (strncmp(readable[i], "./", 2) || !strchr(readable[i] + 2, '/') ||
		    !strcmp(readable[i], "./health/state") || !strcmp(readable[i], "./metadata/copies"))
			continue;
		snprintf(line, sizeof(line), "\n%s=%s\n", strrchr(readable[i], '/') + 1,
			 text_of(readable[i]));
		if (!strstr(answer, line))
			fail_msg("not in stats: %s", line);
	}
}

static void copies_are_told_apart(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 8);
	disk_break(&pair.spare, copy_sector[2], 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	says("./metadata/copies", "good good damaged good good");
	says("./metadata/good_copies", "4");
	says("./state", "degraded");
	disk_mend(&pair.spare, copy_sector[2], 8);
	assert_int_equal(pair_repair(&pair), 5);
	says("./metadata/copies", "good good good good good");
	assert_true(number_of("./metadata/repairs") >= 1);
}

static void totals_include_targets_that_are_gone(void **state)
{
	const long long remaps = number_of("stats/total_remaps");
	const long long writes = number_of("stats/total_writes");

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 16);
	assert_int_equal(oracle_write(oracle, 1000, 16, 0), 0);
	assert_int_equal(number_of("stats/total_remaps") - remaps, 2);
	pair_close(&pair);
	says("stats/targets", "0");
	assert_int_equal(number_of("stats/total_remaps") - remaps, 2);
	assert_int_equal(number_of("stats/total_writes") - writes, 1);
	/* Nor are they counted again: the new one's own number is of all its life. */
	assert_int_equal(pair_open(&pair, ""), 0);
	says("./stats/remaps", "2");
	assert_int_equal(number_of("stats/total_remaps") - remaps, 2);
}

/* ---- What is written ---- */

static const struct {
	const char *file, *good[2], *bad[6];
} values[] = {
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

static void refuses_and_keeps(const char *file, const char *bytes, size_t size)
{
	char before[64];

	snprintf(before, sizeof(before), "%s", text_of(file));
	if (put_bytes(file, bytes, size) != -EINVAL)
		fail_msg("%s took '%s'", file, bytes);
	says(file, before);
}

static void values_are_checked(const char *prefix)
{
	char file[64], before[64];
	unsigned int i, k;

	for (i = 0; i < CONFIGS; i++) {
		snprintf(file, sizeof(file), "%s/%s", prefix, values[i].file);
		snprintf(before, sizeof(before), "%s", text_of(file));
		for (k = 0; k < 2; k++) {
			assert_int_equal(put(file, values[i].good[k]), 0);
			says(file, values[i].good[k]);
		}
		for (k = 0; k < 6; k++)
			if (values[i].bad[k][0])
				refuses_and_keeps(file, values[i].bad[k], strlen(values[i].bad[k]));
		refuses_and_keeps(file, "1\0001", 3);
		refuses_and_keeps(file, "1234567890123456789012345678901234567890", 40);
		strcat(before, "\n");
		assert_int_equal(put(file, before), 0);
	}
}

static void what_a_target_is_set_to_is_checked(void **state)
{
	char table[512];

	(void)state;
	pair_make(&pair, NULL);
	values_are_checked("./config");
	/* All is as it was. */
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_null(strstr(table, "remap_burst"));
	assert_int_equal(put("./config/remap_burst", "17"), 0);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_non_null(strstr(table, "remap_burst 17"));
	says("config/remap_burst", "4096");
}

static void defaults_are_checked_and_hold_for_new_targets(void **state)
{
	char text[64];

	(void)state;
	values_are_checked("config");
	refuses_and_keeps("config/debug_level", "4", 1);
	assert_int_equal(put("config/debug_level", "1"), 0);
	get_file("/sys/module/dm_remap/parameters/debug_level", text, sizeof(text));
	assert_string_equal(text, "1");
	assert_int_equal(put("config/debug_level", "0"), 0);
	pair_make_disks(&pair, NULL);
	assert_int_equal(put("config/read_retries", "7"), 0);
	get_file("/sys/module/dm_remap/parameters/read_retries", text, sizeof(text));
	assert_string_equal(text, "7");
	assert_int_equal(pair_open(&pair, "2 remap_burst 9"), 0);
	says("./config/read_retries", "7");
	says("./config/remap_burst", "9");
	put_file("/sys/module/dm_remap/parameters/read_retries", "3");
	says("config/read_retries", "3");
	says("./config/read_retries", "7");
}

static void what_is_written_holds_at_once(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 24);
	assert_int_equal(put("./config/auto_remap", "0\n"), 0);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), -EIO);
	assert_int_equal(put("./config/auto_remap", "1\n"), 0);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(put("./config/remap_burst", "2"), 0);
	assert_int_equal(oracle_write(oracle, 1008, 8, 0), 0);
	assert_int_equal(oracle_write(oracle, 1016, 8, 0), -EIO);
	says("./state", "main_failed");
	/* Health is looked at once a second. */
	becomes("./health/state", "failed");
	assert_true(number_of("health/worst_score") <= 10);
	says("health/worst_score", text_of("./health/score"));
}

static void the_scanner_is_told_what_to_do(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	refuses_and_keeps("./health/scan_state", "running", 7);
	assert_int_equal(put("./health/scan_state", "pause\n"), 0);
	says("./health/scan_state", "paused");
	assert_int_equal(put("./health/scan_state", "resume\n"), 0);
	assert_string_not_equal(text_of("./health/scan_state"), "paused");
	assert_int_equal(put("./health/scan_state", "stop"), 0);
	says("./health/scan_state", "off");
	says("./config/scan_enabled", "0");
	refuses_and_keeps("./health/scan_state", "pause", 5);
	assert_int_equal(put("./health/scan_state", "start"), 0);
	says("./config/scan_enabled", "1");
	becomes("./health/scan_state", "running");
	becomes("health/active_scans", "1");
	assert_int_equal(put("./health/scan_state", "stop"), 0);
	says("health/active_scans", "0");
	pair_close(&pair);
	assert_int_equal(pair_open(&pair, "1 read_only_metadata"), 0);
	assert_int_equal(put("./health/scan_state", "start"), -EROFS);
}

/* ---- Directories that come and go ---- */

static ssize_t read_again(int fd)
{
	char text[256];
	ssize_t size = pread(fd, text, sizeof(text), 0);

	return size < 0 ? -errno : size;
}

static void a_table_has_none_until_it_is_resumed(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(dm_make(NAME), 0);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(files_below(path_of("targets")), 0);
	says("stats/targets", "0");
	assert_int_equal(dm_resume(NAME), 0);
	assert_int_equal(access(path_of("./state"), F_OK), 0);
	assert_int_equal(dm_suspend(NAME), 0);
	says("./state", "ok");
	assert_int_equal(dm_resume(NAME), 0);
}

static void a_reload_of_the_pair_keeps_it(void **state)
{
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	fd = open(path_of("./stats/writes"), O_RDONLY);
	assert_int_equal(oracle_write(oracle, 0, 8, 0), 0);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 read_retries 9")), 0);
	assert_true(read_again(fd) > 0);
	says("./config/read_retries", "9");
	assert_true(number_of("./stats/writes") >= 1);
	says("stats/targets", "1");
	close(fd);
}

static void another_pair_has_another(void **state)
{
	char uuid[64], table[256];
	struct disk other;
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	disk_make(&other, "other", &(struct disk_options){ .mib = 32 });
	snprintf(uuid, sizeof(uuid), "%s", text_of("./uuid"));
	fd = open(path_of("./state"), O_RDONLY);
	assert_true(read_again(fd) > 0);
	/* Main is the first pair's until that is gone. */
	snprintf(table, sizeof(table), "0 %llu linear %s 0", (unsigned long long)pair.length,
		 pair.main_path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_int_equal(read_again(fd), -ENODEV);
	assert_int_equal(access(path_of("./."), F_OK), -1);
	snprintf(table, sizeof(table), "0 %llu remap %s %s", (unsigned long long)pair.length,
		 pair.main_path, other.path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_string_not_equal(text_of("./uuid"), uuid);
	assert_int_equal(read_again(fd), -ENODEV);
	says("stats/targets", "1");
	close(fd);
	oracle_close(oracle);
	assert_int_equal(dm_remove(NAME), 0);
	disk_end(&other);
}

/* Of one device, from one pair to another in one resume. */
static void a_pair_replaces_another(void **state)
{
	struct disk main, spare;
	char table[256], uuid[64];
	long long writes;
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	disk_make(&main, "main2", &(struct disk_options){ .mib = 64 });
	disk_make(&spare, "spare2", &(struct disk_options){ .mib = 32 });
	snprintf(uuid, sizeof(uuid), "%s", text_of("./uuid"));
	assert_int_equal(oracle_write(oracle, 0, 8, 0), 0);
	says("./stats/writes", "1");
	writes = number_of("stats/total_writes");
	fd = open(path_of("./stats/remaps"), O_RDONLY);
	snprintf(table, sizeof(table), "0 %llu remap %s %s", (unsigned long long)pair.length,
		 main.path, spare.path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_string_not_equal(text_of("./uuid"), uuid);
	/* The device has counted more, but that was the other's. */
	says("./stats/writes", "0");
	assert_int_equal(number_of("stats/total_writes"), writes);
	assert_int_equal(read_again(fd), -ENODEV);
	says("stats/targets", "1");
	close(fd);
	oracle_close(oracle);
	assert_int_equal(dm_remove(NAME), 0);
	says("stats/targets", "0");
	disk_end(&main);
	disk_end(&spare);
}

/* ---- All at once ---- */

static atomic_bool stop;
static atomic_ulong done, refused;
static char target_path[192];

/* Reads every file of target and module again and again, some with the file kept open. */
static void *read_all(void *kept)
{
	char path[256], text[4096];
	unsigned int i;
	int fd;

	while (!stop) {
		for (i = 0; i < READABLES && !stop; i++) {
			if (!strncmp(readable[i], "./", 2))
				snprintf(path, sizeof(path), "%s/%s", target_path, readable[i] + 2);
			else
				snprintf(path, sizeof(path), ROOT "/%s", readable[i]);
			fd = open(path, O_RDONLY);
			if (fd < 0) {
				refused++;
				continue;
			}
			if (kept)
				usleep(1000);
			if (read(fd, text, sizeof(text)) > 0)
				done++;
			else
				refused++;
			close(fd);
		}
	}
	return NULL;
}

/* Writes to every file that can be written. */
static void *write_all(void *unused)
{
	static const char *const commands[] = { "start", "pause", "resume", "stop" };
	char path[256];
	unsigned int i, k = 0;

	(void)unused;
	while (!stop) {
		for (i = 0; i < CONFIGS; i++) {
			if (!strcmp(configs[i], "auto_remap"))
				continue;
			snprintf(path, sizeof(path), "%s/config/%s", target_path, configs[i]);
			*(try_put_file(path, values[i].good[k % 2]) ? &done : &refused) += 1;
		}
		snprintf(path, sizeof(path), "%s/health/scan_state", target_path);
		*(try_put_file(path, commands[k++ % 4]) ? &done : &refused) += 1;
	}
	return NULL;
}

#define RACE_SECONDS 15 /* or 40 rounds; on a slow machine three at least */

static bool race_goes_on(unsigned int round)
{
	static time_t begun;

	if (!round)
		begun = time(NULL);
	return round < 3 || (round < 40 && time(NULL) - begun < RACE_SECONDS);
}

static void begin(pthread_t *threads, unsigned int n, void *(*first)(void *),
		  void *(*second)(void *))
{
	unsigned int i;

	snprintf(target_path, sizeof(target_path), ROOT "/%s", directory(NAME));
	stop = false;
	done = refused = 0;
	for (i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? second : first,
						i / 2 % 2 ? threads : NULL), 0);
}

static void end(pthread_t *threads, unsigned int n)
{
	stop = true;
	while (n)
		assert_int_equal(pthread_join(threads[--n], NULL), 0);
	printf("%lu went well, %lu came too late\n", (unsigned long)done, (unsigned long)refused);
}

static void reads_and_writes_while_targets_come_and_go(void **state)
{
	pthread_t threads[4];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make(&pair, NULL);
	begin(threads, 4, read_all, write_all);
	for (i = 0; race_goes_on(i); i++) {
		usleep(20000);
		pair_close(&pair);
		assert_int_equal(pair_open(&pair, ""), 0);
	}
	end(threads, 4);
	assert_true(done > 0);
	says("stats/targets", "1");
}

static void reads_and_writes_while_tables_change(void **state)
{
	pthread_t threads[4];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make(&pair, NULL);
	begin(threads, 4, read_all, write_all);
	for (i = 0; race_goes_on(i); i++) {
		assert_int_equal(dm_suspend(NAME), 0);
		usleep(5000);
		assert_int_equal(dm_resume(NAME), 0);
		assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		assert_int_equal(dm_rename(NAME, "another"), 0);
		assert_int_equal(dm_rename("another", NAME), 0);
		assert_int_equal(oracle_write(oracle, 8 * i, 8, 0), 0);
	}
	end(threads, 4);
	/* The directory stayed, so only the scanner's commands can have been refused. */
	assert_true(done > refused);
	assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
}

static void the_module_goes_while_files_are_open(void **state)
{
	static const char *const files[] = { "version", "stats/total_reads", "config/read_retries" };
	int fds[4];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	fds[3] = open(path_of("./state"), O_RDONLY);
	for (i = 0; i < 3; i++)
		fds[i] = open(path_of(files[i]), O_RDONLY);
	for (i = 0; i < 4; i++)
		assert_true(read_again(fds[i]) > 0);
	pair_end(&pair);
	assert_int_equal(read_again(fds[3]), -ENODEV);
	shell("rmmod dm_remap");
	for (i = 0; i < 4; i++) {
		assert_int_equal(read_again(fds[i]), -ENODEV);
		close(fds[i]);
	}
	assert_int_equal(access(ROOT, F_OK), -1);
	shell("modprobe dm-remap");
	says("stats/total_reads", "0");
}

/* Somebody reads all the time while it is unloaded and loaded. */
static void the_module_comes_and_goes_while_files_are_read(void **state)
{
	pthread_t threads[2];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	snprintf(target_path, sizeof(target_path), ROOT "/targets/dm-0");
	stop = false;
	done = refused = 0;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, i ? threads : NULL), 0);
	for (i = 0; race_goes_on(i); i++)
		shell("rmmod dm_remap && modprobe dm-remap");
	end(threads, 2);
	says("stats/targets", "0");
}

/* ---- Tracepoints ---- */

static void tracepoints_say_what_happened(void **state)
{
	(void)state;
	shell("[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing");
	pair_make(&pair, NULL);
	put_file("/sys/kernel/tracing/events/dm_remap/enable", "1");
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	disk_break(&pair.main, 2001, 1);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	disk_mend(&pair.main, 2001, 1);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	put_file("/sys/kernel/tracing/events/dm_remap/enable", "0");
	shell("cat /sys/kernel/tracing/trace >/tmp/trace");
	shell("grep -q 'dm_remap_redirect: dev=.* sector=1000 slot=0 mask=ff' /tmp/trace");
	shell("grep -q 'dm_remap_commit: dev=.* good_copies=5 state=ok' /tmp/trace");
	shell("grep -q 'dm_remap_salvage: dev=.* sector=2000 slot=1 mask=02' /tmp/trace");
	shell("grep -q 'dm_remap_state: dev=.* from=ok to=degraded' /tmp/trace");
	shell("grep -q 'dm_remap_state: dev=.* from=degraded to=ok' /tmp/trace");
	shell("echo >/sys/kernel/tracing/trace");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(every_file_is_there_with_its_mode),
		CASE(a_new_target_says_what_it_is),
		CASE(a_new_name_is_shown),
		CASE(values_are_live),
		CASE(stats_says_the_same),
		CASE(copies_are_told_apart),
		CASE(totals_include_targets_that_are_gone),
		CASE(what_a_target_is_set_to_is_checked),
		CASE(defaults_are_checked_and_hold_for_new_targets),
		CASE(what_is_written_holds_at_once),
		CASE(the_scanner_is_told_what_to_do),
		CASE(a_table_has_none_until_it_is_resumed),
		CASE(a_reload_of_the_pair_keeps_it),
		CASE(another_pair_has_another),
		CASE(a_pair_replaces_another),
		CASE(reads_and_writes_while_targets_come_and_go),
		CASE(reads_and_writes_while_tables_change),
		CASE(tracepoints_say_what_happened),
		CASE(the_module_goes_while_files_are_open),
		CASE(the_module_comes_and_goes_while_files_are_read),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
