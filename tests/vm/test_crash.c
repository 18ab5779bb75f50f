// SPDX-License-Identifier: GPL-2.0
/*
 * The spare as it would be after a power cut at any instant, its volatile cache lost: dm-log-writes
 * tells which writes were stable by then. Whatever was acknowledged before is there.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define ROUNDS 4
#define BAD(round) (4096 + 512 * (uint64_t)(round))
#define BAD_COUNT 20 /* three blocks */

/* The log: a super block, then for each write a sector that describes it and its data. */
#define LOG_FLAG_DISCARD 4
#define LOG_FLAG_MARK 8

struct log_super {
	uint64_t magic, version, entries;
	uint32_t sector_bytes;
};

struct log_entry {
	uint64_t sector, sectors, flags, data_bytes;
};

static struct pair pair;
#define oracle (&pair.oracle)

static struct disk log_disk, crashed;

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	if (log_disk.sectors)
		disk_end(&log_disk);
	if (crashed.sectors)
		disk_end(&crashed);
	memset(&log_disk, 0, sizeof(log_disk));
	memset(&crashed, 0, sizeof(crashed));
	return 0;
}

static uint64_t entries_logged(void)
{
	char sector[SECTOR];
	struct log_super super;

	assert_int_equal(io_read(log_disk.path, 0, sector, 1), 0);
	memcpy(&super, sector, sizeof(super));
	return le64toh(super.entries);
}

/* A mark in the log, and its number among the entries. */
static uint64_t mark(void)
{
	uint64_t before = entries_logged();
	unsigned int tries;

	assert_int_equal(dm_message(WRAPPED_SPARE, "mark acknowledged", NULL, 0), 0);
	for (tries = 0; entries_logged() == before && tries < 200; tries++)
		usleep(10000);
	assert_true(entries_logged() > before);
	return entries_logged();
}

/* Does again what the first @count entries did. */
static void replay(uint64_t count)
{
	char sector[SECTOR], *data = malloc(1024 * SECTOR);
	uint64_t at = 1, i;

	if (crashed.sectors)
		disk_end(&crashed);
	disk_make(&crashed, "crashed", &(struct disk_options){ .mib = 16 });
	for (i = 0; i < count; i++) {
		struct log_entry entry;

		assert_int_equal(io_read(log_disk.path, at++, sector, 1), 0);
		memcpy(&entry, sector, sizeof(entry));
		if (!entry.sectors || entry.flags & (LOG_FLAG_DISCARD | LOG_FLAG_MARK))
			continue;
		assert_true(entry.sectors <= 1024);
		assert_int_equal(io_read(log_disk.path, at, data, entry.sectors), 0);
		assert_int_equal(io_write(crashed.path, entry.sector, data, entry.sectors), 0);
		at += entry.sectors;
	}
	free(data);
}

static void peer_11_what_was_acknowledged_is_stable_at_every_instant(void **state)
{
	uint64_t acknowledged[ROUNDS + 1], point;
	char line[160];
	int round, step, cut = 0;

	(void)state;
	pair_make_disks(&pair, &(struct pair_options){ .spare.mib = 16 });
	disk_make(&log_disk, "log", &(struct disk_options){ .mib = 64 });
	snprintf(line, sizeof(line), "0 %llu log-writes %s %s",
		 (unsigned long long)pair.spare.sectors, pair.spare.path, log_disk.path);
	assert_int_equal(dm_create(WRAPPED_SPARE, line), 0);
	strcpy(pair.spare_path, "/dev/mapper/" WRAPPED_SPARE);
	assert_int_equal(pair_open(&pair, ""), 0);
	acknowledged[0] = mark();
	for (round = 0; round < ROUNDS; round++) {
		disk_break(&pair.main, BAD(round), BAD_COUNT);
		assert_int_equal(oracle_write(oracle, BAD(round), BAD_COUNT, 0), 0);
		acknowledged[round + 1] = mark();
	}
	pair_close(&pair);
	assert_int_equal(dm_remove(WRAPPED_SPARE), 0);

	/* From an empty disk on: a half made pair is made again, whatever was written of it. */
	strcpy(pair.spare_path, "/dev/crashed");
	for (point = 0; point <= acknowledged[ROUNDS]; point += step) {
		replay(point);
		assert_int_equal(pair_open(&pair, ""), 0);
		assert_int_equal(pair_status(&pair).copies, 5);
		for (round = 0; round < ROUNDS && acknowledged[round + 1] <= point; round++)
			if (oracle_check(oracle, BAD(round), BAD_COUNT))
				fail_msg("write %d is lost after %llu entries", round,
					 (unsigned long long)point);
		pair_close(&pair);
		/* Each time right after an acknowledgement, and now and then between. */
		step = 7;
		for (round = 0; round <= ROUNDS; round++)
			if (acknowledged[round] > point && acknowledged[round] < point + step)
				step = acknowledged[round] - point;
		cut++;
	}
	assert_true(cut > 2 * ROUNDS);
	replay(acknowledged[ROUNDS]);
	assert_int_equal(spare_copies(crashed.path, NULL), 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_11_what_was_acknowledged_is_stable_at_every_instant),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
