// SPDX-License-Identifier: GPL-2.0
/*
 * Reads that main fails: what becomes lost, what comes back; blocks that are moved by message; and
 * a main that fails as a whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

struct answer {
	unsigned long long done, failed, lost;
};

static struct answer ask(const char *message)
{
	struct answer answer = { 0 };
	char text[256];

	assert_int_equal(dm_message(NAME, message, text, sizeof(text)), 0);
	if (sscanf(text, "%llu %llu %llu", &answer.done, &answer.failed, &answer.lost) != 3)
		fail_msg("%s answers '%s'", message, text);
	return answer;
}

static void a_lost_sector_is_eio_until_it_is_rewritten(void **state)
{
	struct entry entry;
	uint64_t sector;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 2000, 16, 0), 0);
	disk_break(&pair.main, 2000, 8);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	assert_int_equal(pair_status(&pair).lost, 8);
	assert_string_equal(pair_status(&pair).state, "degraded");
	assert_true(pair_entry(&pair, 2000, &entry));
	assert_int_equal(entry.lost_mask, 0xff);
	assert_int_equal(entry.spare_mask, 0);
	assert_int_equal(oracle_read(oracle, 2008, 8), 0);

	/* 512 bytes revive 512 bytes. */
	assert_int_equal(oracle_write(oracle, 2003, 1, 0), 0);
	assert_int_equal(pair_status(&pair).lost, 7);
	pair_reopen(&pair);
	assert_int_equal(pair_status(&pair).lost, 7);
	for (sector = 2000; sector < 2008; sector++)
		assert_int_equal(oracle_read(oracle, sector, 1), sector == 2003 ? 0 : -EIO);
	assert_int_equal(oracle_write(oracle, 2000, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 2000, 16), 0);
	assert_int_equal(pair_status(&pair).lost, 0);
	assert_int_equal(pair_status(&pair).used, 1);
	assert_string_equal(pair_status(&pair).state, "ok");
	assert_true(spare_copies_equal(pair.spare.path));
}

static void the_sectors_beside_a_lost_one_are_read(void **state)
{
	struct entry entry;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 4096, 2048, 0), 0);
	disk_break(&pair.main, 5001, 1);
	/* One bad sector in a MiB: that one is lost, and no other. */
	assert_int_equal(oracle_read(oracle, 4096, 2048), -EIO);
	assert_int_equal(pair_status(&pair).lost, 1);
	assert_true(pair_entry(&pair, 5001, &entry));
	assert_int_equal(entry.lost_mask, 1 << 5001 % 8);
	assert_int_equal(oracle_check(oracle, 4096, 5001 - 4096), 0);
	assert_int_equal(oracle_check(oracle, 5002, 4096 + 2048 - 5002), 0);
}

static void *mend_soon(void *argument)
{
	usleep(3000);
	disk_mend(&pair.main, *(uint64_t *)argument, 1);
	return NULL;
}

static void a_weak_sector_is_read_and_moved(void **state)
{
	unsigned int tries, weak = 0;
	struct entry entry;
	pthread_t thread;

	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "2 read_retries 100"), 0);
	assert_int_equal(oracle_write(oracle, 8192, 1024, 0), 0);
	/* A sector that reads again while it is being retried. */
	for (tries = 0; tries < 40 && weak < 3; tries++) {
		uint64_t sector = 8192 + 8 * tries + tries % 8;
		int r;

		disk_break(&pair.main, sector, 1);
		pthread_create(&thread, NULL, mend_soon, &sector);
		r = oracle_read(oracle, sector, 1);
		pthread_join(thread, NULL);
		assert_true(r == 0 || r == -EIO);
		if (r || !pair_entry(&pair, sector, &entry))
			continue;
		weak++;
		assert_int_equal(entry.spare_mask, 1 << sector % 8);
		assert_int_equal(entry.lost_mask, 0);
		/* It is the slot's now, whatever main does. */
		disk_break(&pair.main, sector, 1);
		assert_int_equal(oracle_read(oracle, sector, 1), 0);
	}
	assert_true(weak > 0);
}

static void retest_salvages_what_reads_again(void **state)
{
	struct answer answer;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 3000, 64, 0), 0);
	disk_break(&pair.main, 3004, 24);
	assert_int_equal(oracle_read(oracle, 3000, 64), -EIO);
	assert_int_equal(pair_status(&pair).lost, 24);
	ask("retest");
	assert_int_equal(pair_status(&pair).lost, 24);
	disk_mend(&pair.main, 3004, 20);
	/* Only where it is asked for, then everywhere. */
	answer = ask("retest 3008 8");
	assert_true(answer.done > 0);
	assert_int_equal(pair_status(&pair).lost, 16);
	ask("retest");
	assert_int_equal(pair_status(&pair).lost, 4);
	assert_int_equal(oracle_read(oracle, 3000, 24), 0);
	assert_int_equal(oracle_read(oracle, 3024, 1), -EIO);
	/* Salvaged is moved: main may break again. */
	disk_break(&pair.main, 3004, 20);
	assert_int_equal(oracle_read(oracle, 3000, 24), 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 3000, 24), 0);
	assert_int_equal(pair_status(&pair).lost, 4);
}

static void remap_and_unmap_move_data(void **state)
{
	struct answer answer;
	char data[SECTOR];

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 3000, 200, 0), 0);
	answer = ask("remap 3004 100");
	assert_true(answer.done > 0);
	assert_int_equal(answer.failed + answer.lost, 0);
	assert_int_equal(pair_status(&pair).used, 13);
	disk_break(&pair.main, 3000, 104);
	assert_int_equal(oracle_read(oracle, 3000, 200), 0);
	assert_int_equal(oracle_write(oracle, 3000, 104, 0), 0);

	/* Main does not take it: nothing is given up. */
	answer = ask("unmap 3000 200");
	assert_true(answer.failed > 0);
	assert_int_equal(pair_status(&pair).used, 13);
	assert_int_equal(oracle_read(oracle, 3000, 200), 0);
	disk_mend(&pair.main, 3000, 104);
	answer = ask("unmap 3000 200");
	assert_int_equal(answer.failed, 0);
	assert_int_equal(pair_status(&pair).used, 0);
	assert_int_equal(io_read(pair.main.path, 3004, data, 1), 0);
	assert_int_equal(pattern_number(data, 3004), 2);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 3000, 200), 0);

	/* What can't be read becomes lost, and a block with lost sectors stays. */
	disk_break(&pair.main, 3100, 2);
	answer = ask("remap 3096 8");
	assert_int_equal(pair_status(&pair).lost, 2);
	disk_mend(&pair.main, 3100, 2);
	answer = ask("unmap 3096 8");
	assert_true(answer.failed > 0);
	assert_int_equal(oracle_read(oracle, 3100, 1), -EIO);
	assert_int_equal(oracle_read(oracle, 3096, 4), 0);
	/* Beyond the end, or nonsense. */
	assert_true(dm_message(NAME, "remap 131072", NULL, 0) < 0);
	assert_true(dm_message(NAME, "remap 131071 2", NULL, 0) < 0);
	assert_true(dm_message(NAME, "unmap 0 0", NULL, 0) < 0);
}

struct load {
	pthread_t thread;
	unsigned int seed;
	atomic_bool stop;
	int failed;
};

static void *run_load(void *argument)
{
	struct load *load = argument;
	const uint64_t begin = 4096 + load->seed * 64;

	while (!load->stop) {
		uint32_t count = 1 + rand_r(&load->seed) % 24;
		uint64_t sector = begin + rand_r(&load->seed) % (64 - count);

		load->failed += !!oracle_write(oracle, sector, count, 0);
		load->failed += !!oracle_read(oracle, sector, count);
	}
	return NULL;
}

static void blocks_move_to_and_fro_under_load(void **state)
{
	struct load loads[2] = { { .seed = 0 }, { .seed = 1 } };
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(60);
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 4096, 128, 0), 0);
	for (i = 0; i < 2; i++)
		pthread_create(&loads[i].thread, NULL, run_load, &loads[i]);
	for (i = 0; i < 6; i++) {
		assert_int_equal(ask("remap 4090 128").failed, 0);
		assert_int_equal(ask("unmap 4090 128").failed, 0);
	}
	for (i = 0; i < 2; i++) {
		loads[i].stop = true;
		pthread_join(loads[i].thread, NULL);
		assert_int_equal(loads[i].failed, 0);
	}
	assert_int_equal(oracle_read(oracle, 4096, 128), 0);
	assert_int_equal(pair_status(&pair).used, 0);
	assert_true(spare_copies_equal(pair.spare.path));
}

static void a_dead_main_costs_no_slots(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 5000, 64, 0), 0);
	disk_break(&pair.main, 5000, 8);
	assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
	disk_break(&pair.main, 0, pair.length);
	assert_int_equal(oracle_write(oracle, 6000, 8, 0), -EIO);
	assert_string_equal(pair_status(&pair).state, "main_failed");
	assert_int_equal(oracle_write(oracle, 7000, 8, 0), -EIO);
	assert_int_equal(oracle_read(oracle, 5008, 8), -EIO);
	assert_int_equal(pair_status(&pair).used, 1);
	assert_int_equal(pair_status(&pair).lost, 0);
	/* What is redirected goes on. */
	assert_int_equal(oracle_read(oracle, 5000, 8), 0);
	assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
	/* Until one says so, even if main is back. */
	disk_mend(&pair.main, 0, pair.length);
	disk_break(&pair.main, 6000, 8);
	assert_int_equal(oracle_write(oracle, 6000, 8, 0), -EIO);
	assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
	assert_int_equal(oracle_write(oracle, 6000, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 5000, 64), 0);
	assert_string_equal(pair_status(&pair).state, "ok");
}

static void a_burst_of_new_slots_is_stopped(void **state)
{
	unsigned int i, refused = 0;

	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "4 remap_burst 5 remap_burst_seconds 3600"), 0);
	disk_break(&pair.main, 8192, 256);
	/* By message they don't count. */
	assert_int_equal(ask("remap 0 64").failed, 0);
	for (i = 0; i < 10; i++)
		refused += oracle_write(oracle, 8192 + 8 * i, 8, 0) == -EIO;
	assert_int_equal(refused, 5);
	assert_int_equal(pair_status(&pair).used, 8 + 5);
	assert_string_equal(pair_status(&pair).state, "main_failed");
	assert_int_equal(oracle_read(oracle, 8192, 40), 0);
	/* Not kept over reopening. */
	pair_close(&pair);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_string_equal(pair_status(&pair).state, "ok");
	assert_int_equal(oracle_write(oracle, 8192, 256, 0), 0);
	assert_int_equal(oracle_read(oracle, 8192, 256), 0);
}

static void no_auto_remap_leaves_it_to_messages(void **state)
{
	char table[256];

	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "1 no_auto_remap"), 0);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	disk_break(&pair.main, 1003, 1);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), -EIO);
	assert_int_equal(oracle_read(oracle, 1003, 1), -EIO);
	assert_int_equal(pair_status(&pair).used, 0);
	ask("remap 1000");
	assert_int_equal(pair_status(&pair).used, 1);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(oracle_read(oracle, 1000, 8), 0);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	assert_non_null(strstr(table, " no_auto_remap"));
}

/* Serves what is known and leaves the spare's metadata alone. */
static void serves_and_writes_no_metadata(bool can_write, uint64_t metadata)
{
	assert_int_equal(oracle_read(oracle, 1000, 8), 0);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	assert_int_equal(pair_status(&pair).used, 1);
	if (can_write) {
		assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
		assert_int_equal(oracle_write(oracle, 2000, 8, 0), -EIO);
		assert_int_equal(oracle_write(oracle, 3000, 8, 0), 0);
	}
	assert_int_equal(dm_message(NAME, "repair", NULL, 0), -EROFS);
	assert_int_equal(dm_message(NAME, "remap 0 8", NULL, 0), -EROFS);
	pair_close(&pair);
	assert_int_equal(device_checksum(pair.spare.path, 0, SLOTS_BEGIN), metadata);
}

static void read_only_tables_write_no_metadata(void **state)
{
	uint64_t metadata;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	pair_close(&pair);
	/* Not even to heal. */
	spare_damage(pair.spare.path, 0, FLIPPED_HEADER_BIT);
	metadata = device_checksum(pair.spare.path, 0, SLOTS_BEGIN);
	disk_break(&pair.main, 2000, 8);
	assert_int_equal(pair_open(&pair, "1 read_only_metadata"), 0);
	serves_and_writes_no_metadata(true, metadata);

	assert_int_equal(dm_create_read_only(NAME, pair_table(&pair, "")), 0);
	/* O_RDWR is refused by the kernel: the oracle only reads. */
	oracle->fd = open("/dev/mapper/" NAME, O_RDONLY | O_DIRECT);
	assert_true(oracle->fd >= 0);
	serves_and_writes_no_metadata(false, metadata);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).copies, 5);
	assert_int_equal(oracle_read(oracle, 1000, 8), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_lost_sector_is_eio_until_it_is_rewritten),
		CASE(the_sectors_beside_a_lost_one_are_read),
		CASE(a_weak_sector_is_read_and_moved),
		CASE(retest_salvages_what_reads_again),
		CASE(remap_and_unmap_move_data),
		CASE(blocks_move_to_and_fro_under_load),
		CASE(a_dead_main_costs_no_slots),
		CASE(a_burst_of_new_slots_is_stopped),
		CASE(no_auto_remap_leaves_it_to_messages),
		CASE(read_only_tables_write_no_metadata),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
