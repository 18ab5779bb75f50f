// SPDX-License-Identifier: GPL-2.0
/*
 * The health scanner: latent bad sectors and slow ones are found before anybody needs them, what can
 * be saved is, and it keeps out of everybody's way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void scan(const char *command)
{
	char message[32];

	snprintf(message, sizeof(message), "scan %s", command);
	assert_int_equal(dm_message(NAME, message, NULL, 0), 0);
}

/* A pass from here to its end. */
static void pass(void)
{
	const uint64_t passes = pair_stat(&pair, "scan_passes");
	const double begun = seconds();

	scan("start");
	while (pair_stat(&pair, "scan_passes") == passes) {
		if (seconds() - begun > 300)
			fail_msg("no pass in five minutes, at %llu",
				 (unsigned long long)pair_status(&pair).position);
		usleep(20000);
	}
}

/* Findings are mended by another thread than the one that ends the pass. */
static void until_used(uint32_t used)
{
	unsigned int tries;

	for (tries = 0; tries < 2400 && pair_status(&pair).used != used; tries++)
		usleep(50000);
	assert_int_equal(pair_status(&pair).used, used);
}

static uint64_t sectors_written(const struct disk *disk)
{
	unsigned long long written;
	char path[128], text[256];

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk->path + 5);
	get_file(path, text, sizeof(text));
	assert_int_equal(sscanf(text, "%*u %*u %*u %*u %*u %*u %llu", &written), 1);
	return written;
}

/* All is right but the five. */
static void check_around(const uint64_t *bad)
{
	uint64_t from = 0;
	unsigned int i;

	for (i = 0; i < 5; from = bad[i++] + 1) {
		assert_int_equal(oracle_check(oracle, from, bad[i] - from), 0);
		assert_int_equal(oracle_read(oracle, bad[i], 1), -EIO);
	}
	assert_int_equal(oracle_check(oracle, from, pair.length - from), 0);
}

static void latent_bad_sectors_are_found_and_saved_around(void **state)
{
	static const uint64_t bad[] = { 0, 5021, 40000, 65535, 131071 };
	uint64_t written;
	struct entry entry;
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 0, 64, 0), 0);
	assert_int_equal(oracle_write(oracle, 5000, 64, 0), 0);
	assert_int_equal(oracle_write(oracle, 131008, 64, 0), 0);
	written = sectors_written(&pair.main);
	for (i = 0; i < 5; i++)
		disk_break(&pair.main, bad[i], 1);
	pass();
	until_used(5);
	for (i = 0; i < 50 && pair_status(&pair).lost != 5; i++)
		usleep(100000);
	assert_int_equal(pair_status(&pair).lost, 5);
	for (i = 0; i < 5; i++) {
		assert_true(pair_entry(&pair, bad[i], &entry));
		assert_int_equal(entry.lost_mask, 1 << bad[i] % 8);
		assert_int_equal(entry.spare_mask, 0xff & ~(1 << bad[i] % 8));
	}
	assert_true(pair_stat(&pair, "scan_errors") >= 5);
	/* The good sectors of these blocks die, and are there. */
	for (i = 0; i < 5; i++)
		disk_break(&pair.main, bad[i] - bad[i] % 8, 8);
	check_around(bad);
	assert_int_equal(sectors_written(&pair.main), written);
	assert_true(spare_copies_equal(pair.spare.path));
	/* Another pass has nothing to say about them. */
	i = pair_stat(&pair, "scan_errors");
	pass();
	assert_int_equal(pair_stat(&pair, "scan_errors"), i);
	pair_reopen(&pair);
	check_around(bad);
}

/*
 * Passes until the scanner has moved the slow blocks. One may pass one by: its time says nothing if
 * something else had to do with the disk meanwhile, and the host may be busy.
 */
static void pass_until_used(uint32_t used)
{
	unsigned int tries, passes;

	for (passes = 0; passes < 6 && pair_status(&pair).used < used; passes++) {
		pass();
		/* It comes back twice, ten seconds later each time. */
		for (tries = 0; tries < 350 && pair_status(&pair).used < used; tries++)
			usleep(100000);
	}
	assert_int_equal(pair_status(&pair).used, used);
}

/*
 * The whole chain: blocks get slow, the scanner saves them, then they die for good and others get slow.
 * Nothing is lost, the score falls, and whoever waits for events is told.
 */
static void a_disk_that_gets_worse_step_by_step(void **state)
{
	const struct pair_options options = { .wrap_main = true };
	static const unsigned int slow[] = { 1, 9 };
	unsigned int step, score = 100;
	int log = kmsg_open();
	uint32_t event_nr;
	struct entry entry;

	(void)state;
	WITHIN_SECONDS(900);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, "6 slow_read_ms 400 scan_idle_duty_ppm 1000000 "
					  "scan_duty_ppm 1000000"), 0);
	for (step = 0; step < 32; step++)
		assert_int_equal(oracle_write(oracle, step * 4096, 2048, 0), 0);
	for (step = 0; step < 2; step++) {
		event_nr = dm_event_nr(NAME);
		/* What was saved has died; the next ones are slow. */
		pair_wrap(&pair, WRAPPED_MAIN, 20000, 8 * slow[step], "delay 900");
		pass_until_used(slow[step]);
		assert_true(pair_entry(&pair, 20000, &entry));
		assert_int_equal(entry.spare_mask, 0xff);
		assert_int_equal(pair_stat(&pair, "slow_reads"), slow[step]);
		assert_true(pair_event_after(&pair, event_nr));
		disk_break(&pair.main, 20000, 8 * slow[step]);
		pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
		assert_int_equal(oracle_write(oracle, 20000, 4, 0), 0);
		assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
		assert_true(pair_status(&pair).score < score);
		score = pair_status(&pair).score;
	}
	assert_true(score < 85);
	assert_int_equal(pair_status(&pair).lost, 0);
	assert_true(kmsg_says(log, "health dev="));
	close(log);
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
}

static void commands_states_and_positions(void **state)
{
	uint64_t position;

	(void)state;
	WITHIN_SECONDS(120);
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "4 scan_idle_duty_ppm 2 scan_duty_ppm 2"), 0);
	assert_string_equal(pair_status(&pair).scan, "idle");
	scan("start");
	assert_string_equal(pair_status(&pair).scan, "running");
	usleep(1000000);
	scan("pause");
	assert_string_equal(pair_status(&pair).scan, "paused");
	position = pair_status(&pair).position;
	assert_true(position > 0);
	assert_true(position < pair.length);
	usleep(500000);
	assert_int_equal(pair_status(&pair).position, position);
	/* Over a suspend and a reload, too. */
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 scan_idle_duty_ppm 1000000")), 0);
	assert_string_equal(pair_status(&pair).scan, "paused");
	assert_int_equal(pair_status(&pair).position, position);
	scan("resume");
	pass();
	/* "start" may have come when the pass had just ended, and begun another. */
	while (!strcmp(pair_status(&pair).scan, "running"))
		usleep(20000);
	assert_string_equal(pair_status(&pair).scan, "idle");
	assert_int_equal(pair_status(&pair).position, 0);
	scan("stop");
	assert_string_equal(pair_status(&pair).scan, "off");
	assert_true(dm_message(NAME, "scan pause", NULL, 0) < 0);
	assert_true(dm_message(NAME, "scan resume", NULL, 0) < 0);
	assert_true(dm_message(NAME, "scan", NULL, 0) < 0);
	assert_true(dm_message(NAME, "scan begin", NULL, 0) < 0);
	scan("start");
	pair_close(&pair);
	assert_int_equal(pair_open(&pair, "1 read_only_metadata"), 0);
	assert_string_equal(pair_status(&pair).scan, "off");
	assert_int_equal(dm_message(NAME, "scan start", NULL, 0), -EROFS);
}

/* Reads that hang are waited for by nobody but suspend, and that one at most. */
static void reads_that_hang_hold_up_nobody(void **state)
{
	const struct pair_options options = { .wrap_main = true };
	double begun;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, "4 scan_idle_duty_ppm 1000000 scan_duty_ppm 1000000"), 0);
	pair_wrap(&pair, WRAPPED_MAIN, 8192, 100000, "delay 5000");
	scan("start");
	usleep(1500000);
	assert_int_equal(pair_status(&pair).position, 8192);
	/* A write that needs a slot, in the meantime. */
	disk_break(&pair.main, 1000, 8);
	begun = seconds();
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_true(seconds() - begun < 3);
	assert_int_equal(pair_status(&pair).used, 1);
	begun = seconds();
	assert_int_equal(dm_suspend(NAME), 0);
	assert_true(seconds() - begun < 9);
	assert_int_equal(dm_resume(NAME), 0);
	usleep(500000);
	begun = seconds();
	pair_close(&pair);
	assert_true(seconds() - begun < 9);
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
}

struct writer {
	pthread_t thread;
	uint64_t first;
	atomic_bool *stop;
	int result;
};

/* Writes and reads sectors of its own, among those that the scanner moves. */
static void *write_and_read(void *argument)
{
	struct writer *writer = argument;
	unsigned int seed = writer->first;

	while (!atomic_load(writer->stop) && !writer->result) {
		uint64_t sector = writer->first + rand_r(&seed) % 504;

		writer->result = rand_r(&seed) % 2 ? oracle_write(oracle, sector, 8, 0) :
						     oracle_read(oracle, sector, 8);
		if (writer->result == -EIO)
			writer->result = 0; /* lost before it was written */
	}
	return NULL;
}

static void scanning_under_writers_suspends_and_reloads(void **state)
{
	struct writer writers[4] = { 0 };
	atomic_bool stop = false;
	unsigned int i, round;

	(void)state;
	WITHIN_SECONDS(900);
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "6 scan_idle_duty_ppm 1000000 scan_duty_ppm 1000000 "
					  "scan_chunk_kib 64"), 0);
	for (i = 0; i < 4; i++) {
		writers[i].first = 16384 + 512 * i;
		writers[i].stop = &stop;
		pthread_create(&writers[i].thread, NULL, write_and_read, &writers[i]);
	}
	for (round = 0; round < 12; round++) {
		disk_break(&pair.main, 16384 + 160 * round, 1 + round % 3);
		scan("start");
		usleep(200000);
		if (round % 3 == 0) {
			assert_int_equal(dm_suspend(NAME), 0);
			assert_int_equal(dm_resume(NAME), 0);
		} else if (round % 3 == 1) {
			assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		}
	}
	pass();
	atomic_store(&stop, true);
	for (i = 0; i < 4; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].result, 0);
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(oracle_write(oracle, writers[i].first, 512, 0), 0);
	assert_int_equal(pair_status(&pair).lost, 0);
	assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
}

static void damaged_copies_are_rewritten(void **state)
{
	unsigned int tries;

	(void)state;
	WITHIN_SECONDS(120);
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	spare_damage(pair.spare.path, 1, FLIPPED_TABLE_BIT);
	spare_damage(pair.spare.path, 4, RANDOM);
	pass();
	for (tries = 0; tries < 100 && !spare_copies_equal(pair.spare.path); tries++)
		usleep(100000);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_int_equal(pair_status(&pair).copies, 5);
	assert_int_equal(pair_stat(&pair, "repairs"), 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(latent_bad_sectors_are_found_and_saved_around),
		CASE(a_disk_that_gets_worse_step_by_step),
		CASE(commands_states_and_positions),
		CASE(reads_that_hang_hold_up_nobody),
		CASE(scanning_under_writers_suspends_and_reloads),
		CASE(damaged_copies_are_rewritten),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
