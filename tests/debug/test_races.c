// SPDX-License-Identifier: GPL-2.0
/*
 * All that can be asked of a target, at once, while writes and reads of it fail and are redirected:
 * what races in it, the debug kernel "kcsan" tells, and "kasan" what is used after its end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define SECONDS 60
#define WRITERS 2
#define AREA 2048 /* sectors of each writer */
#define BAD_EVERY 40

static struct pair pair;
#define oracle (&pair.oracle)

static atomic_bool stop;
static atomic_uint wrong;

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

static void expect(bool right, const char *what)
{
	if (right)
		return;
	printf("%s\n", what);
	wrong++;
}

static void *writing(void *argument)
{
	const uint64_t begin = (uintptr_t)argument * AREA;
	unsigned int seed = 1 + (uintptr_t)argument;
	uint64_t at;
	uint32_t count;

	while (!stop) {
		count = 1 + rand_r(&seed) % 24;
		at = begin + rand_r(&seed) % (AREA - count);
		expect(!oracle_write(oracle, at, count, rand_r(&seed) % 4 ? 0 : RWF_DSYNC),
		       "a write failed");
		at = begin + rand_r(&seed) % (AREA - count);
		expect(oracle_read(oracle, at, count) == 0, "a read failed, or was wrong");
	}
	return NULL;
}

static void *asking(void *argument)
{
	char *text = malloc(1 << 20);

	(void)argument;
	while (!stop) {
		expect(!dm_status(NAME, text, 1 << 20), "no status");
		expect(!dm_table(NAME, text, 1 << 20), "no table");
		expect(!dm_message(NAME, "list", text, 1 << 20), "no list");
		expect(!dm_message(NAME, "stats", text, 1 << 20), "no stats");
	}
	free(text);
	return NULL;
}

/* Busy is what a suspend makes of a message that waits. */
static void *moving(void *argument)
{
	static const char *const words[] = { "remap", "unmap" };
	unsigned int seed = 3, turn;
	char text[64];
	int r;

	(void)argument;
	for (turn = 0; !stop; turn++) {
		if (turn % 8 == 7)
			snprintf(text, sizeof(text), "repair");
		else
			snprintf(text, sizeof(text), "%s %u 32", words[turn % 2],
				 rand_r(&seed) % (WRITERS * AREA - 32));
		r = dm_message(NAME, text, NULL, 0);
		expect(!r || r == -EBUSY, "a message failed");
	}
	return NULL;
}

/* A pass begins by itself a minute after the last reload: never, here. */
static void *scanning(void *argument)
{
	static const char *const words[] = { "scan start", "scan pause", "scan resume" };
	unsigned int turn;
	int r;

	(void)argument;
	for (turn = 0; !stop; turn++) {
		r = dm_message(NAME, words[turn % 3], NULL, 0);
		expect(!r || r == -EBUSY, "scanning was refused");
		usleep(2000);
	}
	return NULL;
}

static void *reloading(void *argument)
{
	unsigned int turn;
	char table[512];

	(void)argument;
	for (turn = 0; !stop; turn++) {
		usleep(100000);
		expect(!dm_suspend(NAME), "no suspend");
		expect(!dm_resume(NAME), "no resume");
		snprintf(table, sizeof(table), "%s", pair_table(&pair, turn % 2 ? "2 label one" :
										   "2 label other"));
		expect(!dm_reload(NAME, table), "no reload");
	}
	return NULL;
}

/* All is written before, so that no read finds a bad sector that was never redirected. */
static void everything_at_once(void **state)
{
	void *(*const begins[])(void *) = { writing, writing, asking, moving, scanning, reloading };
	pthread_t threads[sizeof(begins) / sizeof(begins[0])];
	unsigned int i;
	uint64_t at;

	(void)state;
	pair_make(&pair, NULL);
	for (at = 10; at < WRITERS * AREA; at += BAD_EVERY)
		disk_break(&pair.main, at, 1);
	for (at = 0; at < WRITERS * AREA; at += 64)
		assert_int_equal(oracle_write(oracle, at, 64, 0), 0);
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, begins[i], (void *)(uintptr_t)i), 0);
	sleep(SECONDS);
	stop = true;
	for (i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, 0, WRITERS * AREA), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(everything_at_once),
	};

	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
