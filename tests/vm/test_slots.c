// SPDX-License-Identifier: GPL-2.0
/*
 * Slots that fail, and the spare that has none left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define BAD 4000
#define BAD_COUNT 80 /* ten blocks */

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

static void make_with_redirections(const struct pair_options *options)
{
	pair_make(&pair, options);
	disk_break(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
}

static void all_is_there(void)
{
	assert_int_equal(oracle_check(oracle, BAD, BAD_COUNT), 0);
}

static void peer_10_bad_slots_are_retired_and_the_data_is_kept(void **state)
{
	uint32_t retired, twice;
	uint64_t used;

	(void)state;
	pair_make(&pair, NULL);
	/* The first three slots are bad, and one that comes later. */
	disk_break(&pair.spare, SLOT_SECTOR(0), 24);
	disk_break(&pair.spare, SLOT_SECTOR(7) + 5, 1);
	disk_break(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, BAD, BAD_COUNT, 0), 0);
	all_is_there();
	assert_int_equal(pair_stat(&pair, "retired_slots"), 4);
	assert_string_equal(pair_status(&pair).state, "degraded");
	used = pair_status(&pair).used;
	assert_int_equal(used, 10);
	assert_int_equal(spare_used(pair.spare.path, &retired, &twice), used);
	assert_int_equal(retired, 4);
	assert_int_equal(twice, 0);
	pair_reopen(&pair);
	assert_int_equal(pair_stat(&pair, "retired_slots"), 4);
	all_is_there();
}

static void a_slot_that_goes_bad_later_is_given_up(void **state)
{
	struct entry entry;

	(void)state;
	make_with_redirections(NULL);
	assert_true(pair_entry(&pair, BAD, &entry));
	/* A sector of the slot: its next write finds another place, and so does the rest. */
	disk_break(&pair.spare, SLOT_SECTOR(entry.slot) + 3, 1);
	assert_int_equal(oracle_read(oracle, BAD + 3, 1), -EIO);
	assert_int_equal(oracle_read(oracle, BAD, 3), 0);
	assert_int_equal(oracle_write(oracle, BAD + 3, 1, 0), 0);
	all_is_there();
	assert_int_equal(pair_stat(&pair, "retired_slots"), 1);
	pair_reopen(&pair);
	all_is_there();

	/* What the slot does not give any more, and was not rewritten, is EIO from now on. */
	assert_true(pair_entry(&pair, BAD + 8, &entry));
	disk_break(&pair.spare, SLOT_SECTOR(entry.slot), 2);
	assert_int_equal(oracle_write(oracle, BAD + 8, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, BAD + 8, 1), 0);
	assert_int_equal(oracle_read(oracle, BAD + 9, 1), -EIO);
	disk_mend(&pair.spare, SLOT_SECTOR(entry.slot), 2);
	disk_mend(&pair.main, BAD, BAD_COUNT);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, BAD + 9, 1), -EIO);
	assert_int_equal(oracle_read(oracle, BAD + 10, 6), 0);
	assert_int_equal(pair_status(&pair).lost, 1);
	assert_int_equal(oracle_write(oracle, BAD + 9, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, BAD, 16), 0);
	assert_int_equal(pair_status(&pair).lost, 0);
}

/* Writes and reads a sector of a block while the main thread has the block moved. */
struct hammer {
	pthread_t thread;
	uint64_t sector;
	atomic_bool stop;
	int failed, wrong;
};

static void *hammer(void *argument)
{
	struct hammer *hammer = argument;

	while (!hammer->stop) {
		hammer->failed += !!oracle_write(oracle, hammer->sector, 1, 0);
		hammer->wrong += !!oracle_read(oracle, hammer->sector, 1);
	}
	return NULL;
}

static void a_slot_given_up_under_writers_loses_none_of_their_writes(void **state)
{
	struct entry entry;
	uint64_t sector;

	(void)state;
	WITHIN_SECONDS(60);
	make_with_redirections(NULL);
	for (sector = BAD; sector < BAD + BAD_COUNT; sector += 8) {
		struct hammer writer = { .sector = sector + 2 };
		int round;

		pthread_create(&writer.thread, NULL, hammer, &writer);
		for (round = 0; round < 4; round++) {
			assert_true(pair_entry(&pair, sector, &entry));
			disk_break(&pair.spare, SLOT_SECTOR(entry.slot) + 5, 1);
			assert_int_equal(oracle_write(oracle, sector + 5, 1, 0), 0);
		}
		writer.stop = true;
		pthread_join(writer.thread, NULL);
		assert_int_equal(writer.failed, 0);
		assert_int_equal(writer.wrong, 0);
		assert_int_equal(oracle_check(oracle, sector, 8), 0);
	}
	assert_int_equal(pair_stat(&pair, "retired_slots"), BAD_COUNT / 8 * 4);
}

static void peer_08_a_full_spare_says_so_and_loses_nothing(void **state)
{
	uint32_t total, event;
	uint64_t sector;
	char text[256];

	(void)state;
	pair_make(&pair, &(struct pair_options){ .spare.mib = 16 });
	total = pair_status(&pair).total;
	assert_int_equal(total, 2048);
	disk_break(&pair.main, 8192, (total + 16) * 8);
	for (sector = 0; sector < (total - 1) * 8; sector += 1024) {
		uint64_t left = (total - 1) * 8 - sector;

		assert_int_equal(oracle_write(oracle, 8192 + sector, left < 1024 ? left : 1024, 0), 0);
	}
	assert_string_equal(pair_status(&pair).state, "ok");
	event = dm_event_nr(NAME);
	assert_int_equal(oracle_write(oracle, 8192 + (total - 1) * 8, 8, 0), 0);
	assert_string_equal(pair_status(&pair).state, "spare_full");
	assert_true(pair_event_after(&pair, event));

	/* Errors pass up as they came; the rest goes on. */
	assert_int_equal(oracle_write(oracle, 8192 + total * 8, 8, 0), -EIO);
	assert_int_equal(oracle_write(oracle, 8192 + (total - 1) * 8, 16, 0), -EIO);
	assert_int_equal(oracle_write(oracle, 0, 64, 0), 0);
	assert_int_equal(oracle_write(oracle, 8192, 64, 0), 0);
	assert_int_equal(oracle_check(oracle, 0, 64), 0);
	assert_int_equal(oracle_check(oracle, 8192, total * 8), 0);
	assert_int_equal(pair_status(&pair).used, total);
	pair_reopen(&pair);
	assert_string_equal(pair_status(&pair).state, "spare_full");
	assert_int_equal(oracle_check(oracle, 8192, total * 8), 0);
	assert_int_equal(dm_status(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "2048/2048"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_10_bad_slots_are_retired_and_the_data_is_kept),
		CASE(a_slot_that_goes_bad_later_is_given_up),
		CASE(a_slot_given_up_under_writers_loses_none_of_their_writes),
		CASE(peer_08_a_full_spare_says_so_and_loses_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
