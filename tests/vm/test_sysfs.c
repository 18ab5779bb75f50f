// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4: which files there are, what they say, and what may be written to them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "pair.h"
#include "sysfs.h"

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

/* ---- Which files there are ---- */

static void has_mode(const char *file, mode_t mode)
{
	struct stat stats;

	if (stat(sysfs_path(file), &stats))
		fail_msg("%s: %s", sysfs_path(file), strerror(errno));
	if (!S_ISREG(stats.st_mode) || (stats.st_mode & 07777) != mode || stats.st_uid)
		fail_msg("%s: mode %o of user %u", file, stats.st_mode & 07777, stats.st_uid);
}

static void every_file_is_there_with_its_mode(void **state)
{
	char file[64];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	for (i = 0; i < SYSFS_READABLES; i++) {
		has_mode(sysfs_readable[i], 0444);
		sysfs_text(sysfs_readable[i]);
	}
	for (i = 0; i < SYSFS_CONFIGS; i++) {
		snprintf(file, sizeof(file), "config/%s", sysfs_configs[i].file);
		has_mode(file, 0644);
		snprintf(file, sizeof(file), "./config/%s", sysfs_configs[i].file);
		has_mode(file, 0644);
	}
	has_mode("config/debug_level", 0644);
	has_mode("./health/scan_state", 0644);
	/* And no others: the target's 33 and its configuration. */
	assert_int_equal(sysfs_files_below(sysfs_path("./.")), SYSFS_READABLES - 10 + 1 + SYSFS_CONFIGS);
	assert_int_equal(sysfs_files_below(sysfs_path("stats")), 6);
	assert_int_equal(sysfs_files_below(sysfs_path("health")), 3);
	assert_int_equal(sysfs_files_below(sysfs_path("config")), SYSFS_CONFIGS + 1);
}

/* ---- What they say ---- */

static void a_new_target_says_what_it_is(void **state)
{
	struct stat main, spare;
	char table[512], uuid[64];

	(void)state;
	pair_make_disks(&pair, NULL);
	sysfs_says("health/worst_score", "100");
	sysfs_says("stats/targets", "0");
	assert_int_equal(pair_open(&pair, "2 label some.name-1"), 0);
	sysfs_says("version", "4.0.0");
	sysfs_says("stats/targets", "1");
	sysfs_says("./name", NAME);
	sysfs_says("./label", "some.name-1");
	sysfs_says("./state", "ok");
	assert_int_equal(stat(pair.main.path, &main) | stat(pair.spare.path, &spare), 0);
	snprintf(table, sizeof(table), "%u:%u", major(main.st_rdev), minor(main.st_rdev));
	sysfs_says("./main", table);
	snprintf(table, sizeof(table), "%u:%u", major(spare.st_rdev), minor(spare.st_rdev));
	sysfs_says("./spare", table);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_int_equal(sscanf(table, "%*s %*s %*u uuid %63s", uuid), 1);
	sysfs_says("./uuid", uuid);
	sysfs_says("./metadata/copies", "good good good good good");
	sysfs_says("./metadata/good_copies", "5");
	assert_int_equal(sysfs_number("./metadata/slots_total"), pair_status(&pair).total);
	sysfs_says("./health/state", "healthy");
	sysfs_says("./health/score", "100");
	sysfs_says("./health/trend", "stable");
	sysfs_says("./health/predicted_exhaustion_hours", "-1");
	assert_int_equal(sysfs_number("./metadata/sequence"), pair_status(&pair).sequence);
}

static void a_new_name_is_shown(void **state)
{
	char path[192], text[64];

	(void)state;
	pair_make(&pair, NULL);
	snprintf(path, sizeof(path), "%s", sysfs_path("./name"));
	assert_int_equal(dm_rename(NAME, "another"), 0);
	get_file(path, text, sizeof(text));
	assert_string_equal(text, "another");
	assert_int_equal(dm_rename("another", NAME), 0);
	sysfs_says("./name", NAME);
	sysfs_says("./label", "");
}

static void values_are_live(void **state)
{
	long long reads, writes, sectors, remaps, lost, commits, errors;

	(void)state;
	pair_make(&pair, NULL);
	reads = sysfs_number("./stats/reads");
	writes = sysfs_number("./stats/writes");
	sectors = sysfs_number("./stats/write_sectors");
	remaps = sysfs_number("stats/total_remaps");
	lost = sysfs_number("stats/total_lost");
	errors = sysfs_number("stats/total_errors");
	commits = sysfs_number("./stats/commits");
	assert_int_equal(oracle_write(oracle, 800, 16, 0), 0);
	assert_int_equal(oracle_write(oracle, 816, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 800, 8), 0);
	assert_int_equal(sysfs_number("./stats/writes") - writes, 2);
	assert_int_equal(sysfs_number("./stats/write_sectors") - sectors, 24);
	assert_int_equal(sysfs_number("./stats/reads") - reads, 1);
	assert_true(sysfs_number("./stats/read_sectors") >= 8);
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	sysfs_says("./stats/remaps", "1");
	sysfs_says("./metadata/slots_used", "1");
	assert_true(sysfs_number("./stats/commits") > commits);
	assert_true(sysfs_number("./stats/write_errors") >= 1);
	assert_int_equal(sysfs_number("stats/total_remaps") - remaps, 1);
	disk_break(&pair.main, 2001, 1);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	sysfs_says("./stats/lost_sectors", "1");
	sysfs_says("./state", "degraded");
	assert_true(sysfs_number("./stats/read_errors") >= 1);
	assert_int_equal(sysfs_number("stats/total_lost") - lost, 1);
	assert_true(sysfs_number("stats/total_errors") - errors >= 2);
	disk_mend(&pair.main, 2001, 1);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	sysfs_says("./stats/salvaged", "1");
	sysfs_says("./stats/lost_sectors", "0");
	sysfs_says("./state", "ok");
	assert_int_equal(sysfs_number("stats/total_lost") - lost, 1);
}

static void stats_says_the_same(void **state)
{
	char answer[4096], line[4200];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(sysfs_put("./config/scan_enabled", "0"), 0);
	assert_int_equal(oracle_write(oracle, 800, 16, 0), 0);
	assert_int_equal(dm_message(NAME, "stats", answer + 1, sizeof(answer) - 1), 0);
	answer[0] = '\n';
	for (i = 0; i < SYSFS_READABLES; i++) {
		if (strncmp(sysfs_readable[i], "./", 2) || !strchr(sysfs_readable[i] + 2, '/') ||
		    !strcmp(sysfs_readable[i], "./health/state") || !strcmp(sysfs_readable[i], "./metadata/copies"))
			continue;
		snprintf(line, sizeof(line), "\n%s=%s\n", strrchr(sysfs_readable[i], '/') + 1,
			 sysfs_text(sysfs_readable[i]));
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
	sysfs_says("./metadata/copies", "good good damaged good good");
	sysfs_says("./metadata/good_copies", "4");
	sysfs_says("./state", "degraded");
	disk_mend(&pair.spare, copy_sector[2], 8);
	assert_int_equal(pair_repair(&pair), 5);
	sysfs_says("./metadata/copies", "good good good good good");
	assert_true(sysfs_number("./metadata/repairs") >= 1);
}

static void totals_include_targets_that_are_gone(void **state)
{
	const long long remaps = sysfs_number("stats/total_remaps");
	const long long writes = sysfs_number("stats/total_writes");

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 16);
	assert_int_equal(oracle_write(oracle, 1000, 16, 0), 0);
	assert_int_equal(sysfs_number("stats/total_remaps") - remaps, 2);
	pair_close(&pair);
	sysfs_says("stats/targets", "0");
	assert_int_equal(sysfs_number("stats/total_remaps") - remaps, 2);
	assert_int_equal(sysfs_number("stats/total_writes") - writes, 1);
	/* Nor are they counted again: the new one's own number is of all its life. */
	assert_int_equal(pair_open(&pair, ""), 0);
	sysfs_says("./stats/remaps", "2");
	assert_int_equal(sysfs_number("stats/total_remaps") - remaps, 2);
}

/* ---- What is written ---- */

static void refuses_and_keeps(const char *file, const char *bytes, size_t size)
{
	char before[64];

	snprintf(before, sizeof(before), "%s", sysfs_text(file));
	if (sysfs_put_bytes(file, bytes, size) != -EINVAL)
		fail_msg("%s took '%s'", file, bytes);
	sysfs_says(file, before);
}

static void values_are_checked(const char *prefix)
{
	char file[64], before[64];
	unsigned int i, k;

	for (i = 0; i < SYSFS_CONFIGS; i++) {
		snprintf(file, sizeof(file), "%s/%s", prefix, sysfs_configs[i].file);
		snprintf(before, sizeof(before), "%s", sysfs_text(file));
		for (k = 0; k < 2; k++) {
			assert_int_equal(sysfs_put(file, sysfs_configs[i].good[k]), 0);
			sysfs_says(file, sysfs_configs[i].good[k]);
		}
		for (k = 0; k < 6; k++)
			if (sysfs_configs[i].bad[k][0])
				refuses_and_keeps(file, sysfs_configs[i].bad[k], strlen(sysfs_configs[i].bad[k]));
		refuses_and_keeps(file, "1\0001", 3);
		refuses_and_keeps(file, "1234567890123456789012345678901234567890", 40);
		strcat(before, "\n");
		assert_int_equal(sysfs_put(file, before), 0);
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
	assert_int_equal(sysfs_put("./config/remap_burst", "17"), 0);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_non_null(strstr(table, "remap_burst 17"));
	sysfs_says("config/remap_burst", "4096");
}

static void defaults_are_checked_and_hold_for_new_targets(void **state)
{
	char text[64];

	(void)state;
	values_are_checked("config");
	refuses_and_keeps("config/debug_level", "4", 1);
	assert_int_equal(sysfs_put("config/debug_level", "1"), 0);
	get_file("/sys/module/dm_remap/parameters/debug_level", text, sizeof(text));
	assert_string_equal(text, "1");
	assert_int_equal(sysfs_put("config/debug_level", "0"), 0);
	pair_make_disks(&pair, NULL);
	assert_int_equal(sysfs_put("config/read_retries", "7"), 0);
	get_file("/sys/module/dm_remap/parameters/read_retries", text, sizeof(text));
	assert_string_equal(text, "7");
	assert_int_equal(pair_open(&pair, "2 remap_burst 9"), 0);
	sysfs_says("./config/read_retries", "7");
	sysfs_says("./config/remap_burst", "9");
	put_file("/sys/module/dm_remap/parameters/read_retries", "3");
	sysfs_says("config/read_retries", "3");
	sysfs_says("./config/read_retries", "7");
}

static void what_is_written_holds_at_once(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 24);
	assert_int_equal(sysfs_put("./config/auto_remap", "0\n"), 0);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), -EIO);
	assert_int_equal(sysfs_put("./config/auto_remap", "1\n"), 0);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(sysfs_put("./config/remap_burst", "2"), 0);
	assert_int_equal(oracle_write(oracle, 1008, 8, 0), 0);
	assert_int_equal(oracle_write(oracle, 1016, 8, 0), -EIO);
	sysfs_says("./state", "main_failed");
	/* Health is looked at once a second. */
	sysfs_becomes("./health/state", "failed");
	assert_true(sysfs_number("health/worst_score") <= 10);
	sysfs_says("health/worst_score", sysfs_text("./health/score"));
}

static void the_scanner_is_told_what_to_do(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	refuses_and_keeps("./health/scan_state", "running", 7);
	assert_int_equal(sysfs_put("./health/scan_state", "pause\n"), 0);
	sysfs_says("./health/scan_state", "paused");
	assert_int_equal(sysfs_put("./health/scan_state", "resume\n"), 0);
	assert_string_not_equal(sysfs_text("./health/scan_state"), "paused");
	assert_int_equal(sysfs_put("./health/scan_state", "stop"), 0);
	sysfs_says("./health/scan_state", "off");
	sysfs_says("./config/scan_enabled", "0");
	refuses_and_keeps("./health/scan_state", "pause", 5);
	assert_int_equal(sysfs_put("./health/scan_state", "start"), 0);
	sysfs_says("./config/scan_enabled", "1");
	sysfs_becomes("./health/scan_state", "running");
	sysfs_becomes("health/active_scans", "1");
	assert_int_equal(sysfs_put("./health/scan_state", "stop"), 0);
	sysfs_says("health/active_scans", "0");
	pair_close(&pair);
	assert_int_equal(pair_open(&pair, "1 read_only_metadata"), 0);
	assert_int_equal(sysfs_put("./health/scan_state", "start"), -EROFS);
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
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
