// SPDX-License-Identifier: GPL-2.0
/*
 * Redirections outlive everything that can happen to a table: suspend, reload, removal, the
 * module's removal, a loss of what volatile caches held.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define BAD 4000 /* the bad area of most tests, unaligned */
#define BAD_COUNT 100
#define AROUND 3900
#define AROUND_COUNT 300

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	dm_remove("renamed");
	dm_remove("second");
	return 0;
}

static void make_with_redirections(const struct pair_options *options)
{
	pair_make(&pair, options);
	disk_break(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
	assert_int_equal(oracle_write(oracle, BAD + 7, 31, 0), 0);
	assert_int_equal(pair_status(&pair).used, 13);
}

static void all_is_there(void)
{
	assert_int_equal(oracle_check(oracle, AROUND, AROUND_COUNT), 0);
}

static void peer_15_redirections_are_known_to_the_first_io(void **state)
{
	unsigned int i;

	(void)state;
	make_with_redirections(NULL);
	for (i = 0; i < 5; i++) {
		pair_reopen(&pair);
		all_is_there();
	}
	assert_int_equal(pair_status(&pair).used, 13);
	assert_string_equal(pair_status(&pair).state, "ok");
}

static void what_was_acknowledged_survives_a_lost_cache(void **state)
{
	(void)state;
	/* Only pages that the disk never held are volatile with null_blk; for the rest, test_replay. */
	pair_make(&pair, &(struct pair_options){ .main.cache_mib = 8, .spare.cache_mib = 8 });
	pair_close(&pair);
	disk_power_cycle(&pair.spare);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).sequence, 1);
	assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
	assert_int_equal(fdatasync(oracle->fd), 0);
	disk_break(&pair.main, BAD, BAD_COUNT);
	/* The failed write itself; no flush follows. */
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
	pair_close(&pair);
	disk_power_cycle(&pair.spare);
	disk_power_cycle(&pair.main);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).copies, 5);
	all_is_there();

	/* Later writes to the slots are as volatile as any other: until the next flush. */
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
	assert_int_equal(fdatasync(oracle->fd), 0);
	pair_close(&pair);
	disk_power_cycle(&pair.spare);
	assert_int_equal(pair_open(&pair, ""), 0);
	all_is_there();
	/* Or FUA. */
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, RWF_DSYNC), 0);
	pair_close(&pair);
	disk_power_cycle(&pair.spare);
	assert_int_equal(pair_open(&pair, ""), 0);
	all_is_there();
}

static void the_module_can_be_taken_out_and_put_back(void **state)
{
	(void)state;
	make_with_redirections(NULL);
	/* Not while it is in use. */
	assert_int_not_equal(system("rmmod dm_remap 2>/dev/null"), 0);
	all_is_there();
	pair_close(&pair);
	shell("rmmod dm_remap");
	/* dmsetup create loads it by itself. */
	assert_int_equal(pair_open(&pair, ""), 0);
	all_is_there();
}

static void peer_17_suspend_and_resume_keep_redirections(void **state)
{
	unsigned int i;

	(void)state;
	make_with_redirections(NULL);
	for (i = 0; i < 5; i++) {
		assert_int_equal(dm_suspend(NAME), 0);
		assert_int_equal(pair_status(&pair).used, 13);
		assert_int_equal(dm_resume(NAME), 0);
		all_is_there();
	}
	/* And the worker still works. */
	disk_break(&pair.main, 100, 1);
	assert_int_equal(oracle_write(oracle, 100, 1, 0), 0);
}

static void peer_18_a_table_that_is_never_resumed_leaves_nothing(void **state)
{
	unsigned int i;

	(void)state;
	make_with_redirections(NULL);
	for (i = 0; i < 20; i++) {
		assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
		assert_int_equal(dm_clear(NAME), 0);
	}
	all_is_there();
	pair_close(&pair);
	/* Without any live table, too. */
	assert_int_equal(dm_make(NAME), 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
		assert_int_equal(dm_clear(NAME), 0);
	}
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(dm_remove(NAME), 0);
	shell("rmmod dm_remap");
	assert_int_equal(pair_open(&pair, ""), 0);
	all_is_there();
}

static void a_table_is_read_again_at_its_first_resume(void **state)
{
	char data[SECTOR];

	(void)state;
	make_with_redirections(NULL);
	pair_close(&pair);
	/* Loaded, and before it is resumed another device makes redirections in the same pair. */
	assert_int_equal(dm_make("second"), 0);
	assert_int_equal(dm_load("second", pair_table(&pair, "")), 0);
	assert_int_equal(pair_open(&pair, ""), 0);
	disk_break(&pair.main, 50000, 8);
	assert_int_equal(oracle_write(oracle, 50000, 8, 0), 0);
	/* Not while the first one is live. */
	assert_int_equal(dm_resume("second"), -EBUSY);
	pair_close(&pair);
	if (dm_resume("second")) {
		/* The kernel drops a table that fails to resume. */
		assert_int_equal(dm_load("second", pair_table(&pair, "")), 0);
		assert_int_equal(dm_resume("second"), 0);
	}
	assert_int_equal(io_read("/dev/mapper/second", 50003, data, 1), 0);
	assert_int_equal(pattern_number(data, 50003), 1);
}

/* Reads and writes until it is told to stop. */
struct load {
	pthread_t thread;
	unsigned int seed;
	atomic_bool stop;
	unsigned int done;
	int wrong, failed_writes, failed_reads;
};

static void *run_load(void *argument)
{
	struct load *load = argument;
	const uint64_t half = AROUND + load->seed * AROUND_COUNT / 2;

	while (!load->stop) {
		unsigned int offset = rand_r(&load->seed) % (AROUND_COUNT / 2 - 20);
		unsigned int count = 1 + rand_r(&load->seed) % 20;

		if (rand_r(&load->seed) % 2) {
			load->failed_writes += !!oracle_write(oracle, half + offset, count, 0);
		} else {
			int r = oracle_read(oracle, half + offset, count);

			load->wrong += r > 0;
			load->failed_reads += r < 0;
		}
		load->done++;
	}
	return NULL;
}

static void begin_load(struct load *loads)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		loads[i].seed = i;
		pthread_create(&loads[i].thread, NULL, run_load, &loads[i]);
	}
}

static void end_load(struct load *loads)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		loads[i].stop = true;
	for (i = 0; i < 2; i++) {
		pthread_join(loads[i].thread, NULL);
		assert_int_equal(loads[i].wrong, 0);
		assert_int_equal(loads[i].failed_writes, 0);
		assert_true(loads[i].done > 10);
	}
}

static void peer_22_a_reload_under_io_is_never_without_redirections(void **state)
{
	struct load loads[2] = { 0 };
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(60);
	make_with_redirections(NULL);
	begin_load(loads);
	for (i = 0; i < 30; i++) {
		assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		/* New redirections while the table changes. */
		disk_break(&pair.main, AROUND + 3 * i, 1);
		usleep(5000);
	}
	end_load(loads);
	/* What broke under reads is EIO until it is written. */
	assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
	all_is_there();
}

static void suspend_and_reload_under_io_hang_nothing(void **state)
{
	struct load loads[2] = { 0 };
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(60);
	make_with_redirections(&(struct pair_options){ .wrap_main = true });
	/* From now on writes fail on main and reads do not. */
	pair_wrap(&pair, WRAPPED_MAIN, AROUND, AROUND_COUNT, "flakey error_writes");
	disk_mend(&pair.main, BAD, BAD_COUNT);
	begin_load(loads);
	for (i = 0; i < 30; i++) {
		if (i % 3 == 0) {
			assert_int_equal(dm_suspend(NAME), 0);
			assert_int_equal(dm_resume(NAME), 0);
		} else {
			assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		}
		pair_status(&pair);
		usleep(5000);
	}
	end_load(loads);
	assert_int_equal(loads[0].failed_reads + loads[1].failed_reads, 0);
	all_is_there();
}

static void a_table_that_fails_to_resume_leaves_redirections_known(void **state)
{
	char arguments[128], text[256];
	unsigned int i;

	(void)state;
	make_with_redirections(NULL);
	/* Refused when loaded: the live table is not touched. */
	assert_int_not_equal(dm_reload(NAME, pair_table(&pair, "1 format")), 0);
	snprintf(arguments, sizeof(arguments), "2 uuid 01234567-89ab-4def-8123-456789abcdef");
	assert_int_equal(dm_reload(NAME, pair_table(&pair, arguments)), -ESTALE);
	all_is_there();
	assert_int_equal(pair_status(&pair).used, 13);

	/* A table longer than main, and one of another spare that is not one. */
	pair.length++;
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), -EINVAL);
	pair.length--;
	all_is_there();
	for (i = 0; i < 3; i++)
		assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 label kept")), 0);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "label kept"));
	all_is_there();
}

static void a_shorter_and_a_longer_table_share_the_pair(void **state)
{
	(void)state;
	make_with_redirections(NULL);
	pair.length = 8192;
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	all_is_there();
	pair.length = pair.main.sectors;
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	all_is_there();
	disk_break(&pair.main, pair.length - 8, 8);
	assert_int_equal(oracle_write(oracle, pair.length - 8, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, pair.length - 8, 8), 0);
}

static void rename_changes_the_name_only(void **state)
{
	char text[256];

	(void)state;
	make_with_redirections(NULL);
	assert_int_equal(dm_rename(NAME, "renamed"), 0);
	assert_int_equal(dm_status("renamed", text, sizeof(text)), 0);
	assert_non_null(strstr(text, "ok 13/"));
	all_is_there();
	disk_break(&pair.main, 100, 1);
	assert_int_equal(oracle_write(oracle, 100, 1, 0), 0);
	assert_int_equal(dm_rename("renamed", NAME), 0);
	pair_reopen(&pair);
	all_is_there();
}

static void *write_bad_area(void *argument)
{
	uint64_t sector;
	int *failures = argument;

	for (sector = 30000; sector < 40000; sector += 100)
		*failures += !!oracle_write(oracle, sector, 100, 0);
	/* So that it can be removed at once. */
	oracle_close(oracle);
	return NULL;
}

static void a_device_is_removed_while_repairs_are_under_way(void **state)
{
	pthread_t thread;
	int failures = 0, r;

	(void)state;
	WITHIN_SECONDS(60);
	pair_make(&pair, NULL);
	disk_break(&pair.main, 30000, 10000);
	pthread_create(&thread, NULL, write_bad_area, &failures);
	do {
		r = dm_remove(NAME);
	} while (r == -EBUSY);
	assert_int_equal(r, 0);
	pthread_join(thread, NULL);
	assert_int_equal(failures, 0);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_check(oracle, 30000, 10000), 0);
}

static void a_hundred_lives(void **state)
{
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(90);
	make_with_redirections(NULL);
	for (i = 0; i < 100; i++) {
		uint64_t sector = 10000 + 8 * (i % 50);

		disk_break(&pair.main, sector + i % 8, 1);
		assert_int_equal(oracle_write(oracle, sector, 8, 0), 0);
		if (i % 4 == 0)
			assert_int_equal(dm_suspend(NAME) | dm_resume(NAME), 0);
		if (i % 4 == 1)
			assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		if (i % 4 == 2)
			pair_reopen(&pair);
		assert_int_equal(oracle_read(oracle, sector, 8), 0);
	}
	assert_int_equal(pair_status(&pair).used, 13 + 50);
	all_is_there();
	assert_true(spare_copies_equal(pair.spare.path));
}

static void peer_19_status_in_every_state_blocks_nothing(void **state)
{
	char text[256];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(30);
	make_with_redirections(NULL);
	for (i = 0; i < 50; i++)
		pair_status(&pair);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(dm_inactive_status(NAME, text, sizeof(text)), 0);
	assert_ptr_equal(strstr(text, "inactive "), text);
	assert_int_equal(dm_inactive_table(NAME, text, sizeof(text)), 0);
	assert_int_equal(dm_suspend(NAME), 0);
	assert_int_equal(pair_status(&pair).used, 13);
	assert_int_equal(dm_resume(NAME), 0);
	for (i = 0; i < 50; i++)
		pair_status(&pair);
	pair_close(&pair);

	/* A device that was never resumed has one as well. */
	assert_int_equal(dm_make(NAME), 0);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(dm_inactive_status(NAME, text, sizeof(text)), 0);
	assert_ptr_equal(strstr(text, "inactive "), text);
	assert_int_equal(dm_remove(NAME), 0);
}

static void a_main_or_spare_in_use_is_busy(void **state)
{
	struct disk other;
	char table[256];

	(void)state;
	make_with_redirections(NULL);
	disk_make(&other, "other", &(struct disk_options){ .mib = 64 });
	snprintf(table, sizeof(table), "0 1024 remap %s %s", other.path, pair.spare.path);
	assert_int_equal(dm_create("second", table), -EBUSY);
	snprintf(table, sizeof(table), "0 1024 remap %s %s", pair.main.path, other.path);
	assert_int_equal(dm_create("second", table), -EBUSY);
	snprintf(table, sizeof(table), "0 1024 remap %s %s", pair.spare.path, other.path);
	assert_int_equal(dm_create("second", table), -EBUSY);
	assert_int_equal(dm_create("second", pair_table(&pair, "")), -EBUSY);
	disk_end(&other);
	all_is_there();
}

static void peer_22_devices_are_device_mappers(void **state)
{
	struct stat main, spare;
	char path[128];

	(void)state;
	make_with_redirections(NULL);
	assert_int_equal(stat(pair.main.path, &main) | stat(pair.spare.path, &spare), 0);
	assert_true(dm_depends_on(NAME, main.st_rdev));
	assert_true(dm_depends_on(NAME, spare.st_rdev));
	/* By number instead of by name. */
	snprintf(pair.main_path, sizeof(pair.main_path), "%u:%u", major(main.st_rdev),
		 minor(main.st_rdev));
	snprintf(pair.spare_path, sizeof(pair.spare_path), "%u:%u", major(spare.st_rdev),
		 minor(spare.st_rdev));
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	all_is_there();
	snprintf(path, sizeof(path), "/sys/block/%s/holders", pair.spare.name);
	assert_int_equal(access(path, F_OK), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_15_redirections_are_known_to_the_first_io),
		CASE(what_was_acknowledged_survives_a_lost_cache),
		CASE(the_module_can_be_taken_out_and_put_back),
		CASE(peer_17_suspend_and_resume_keep_redirections),
		CASE(peer_18_a_table_that_is_never_resumed_leaves_nothing),
		CASE(a_table_is_read_again_at_its_first_resume),
		CASE(peer_22_a_reload_under_io_is_never_without_redirections),
		CASE(suspend_and_reload_under_io_hang_nothing),
		CASE(a_table_that_fails_to_resume_leaves_redirections_known),
		CASE(a_shorter_and_a_longer_table_share_the_pair),
		CASE(rename_changes_the_name_only),
		CASE(a_device_is_removed_while_repairs_are_under_way),
		CASE(a_hundred_lives),
		CASE(peer_19_status_in_every_state_blocks_nothing),
		CASE(a_main_or_spare_in_use_is_busy),
		CASE(peer_22_devices_are_device_mappers),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
