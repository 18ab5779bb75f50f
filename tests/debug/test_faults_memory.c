// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is missing once, at every place where it can be: under each thing that is asked of the
 * target the first allocation fails, then the second, and so on until the last has gone by (and so does
 * I/O of the thread that asks). What comes of it is an error or a success, redirections stay what they were, and what was acknowledged is read.
 * The kernel itself says what leaked or broke.
 *
 * Only a kernel with fault injection can run this: those of tests/debug.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"

#define oracle (&faulty.oracle)

static int nth_file;

static int end_of_test(void **state)
{
	(void)state;
	faulty_end();
	return 0;
}

static void fail_nth(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(nth_file, text, strlen(text), 0) < 0)
		abort();
}

/* Whether it has failed; nothing will any more. */
static bool has_failed(void)
{
	char text[16] = "";

	if (pread(nth_file, text, sizeof(text) - 1, 0) < 0)
		abort();
	fail_nth(0);
	return strtoul(text, NULL, 10) == 0;
}

/*
 * @ask with its first allocation or I/O failing, then the one @step further on, ... and last of all none.
 * @settle gets what @ask came to, and brings everything back to where it was before.
 */
static void with_failing(unsigned int step, int (*ask)(void), void (*settle)(int r))
{
	unsigned int n, places = 0, errors = 0;
	bool failed;
	int r;

	for (n = 1;; n += step) {
		fail_nth(n);
		r = ask();
		failed = has_failed();
		/* Nodes in /dev that could not be made. */
		if (failed)
			dm_make_nodes();
		settle(r);
		if (!failed)
			break;
		places++;
		errors += r != 0;
	}
	printf("%u places, %u errors\n", places, errors);
	assert_int_equal(r, 0);
	assert_true(places > 0);
}

static void with_each_failing(int (*ask)(void), void (*settle)(int r))
{
	with_failing(1, ask, settle);
}

/*
 * The target is opened in a device that is there, with another table: nothing of the target is in what
 * makes a device, and one for which there was no memory then can't be used again.
 */
static void have_other_table(void)
{
	char table[64];

	snprintf(table, sizeof(table), "0 %llu error", (unsigned long long)faulty.length);
	assert_int_equal(dm_reload(NAME, table), 0);
}

static void make_with_other_table(void)
{
	assert_int_equal(dm_make(NAME), 0);
	have_other_table();
}

static int ask_open(void) { return dm_reload(NAME, pair_table(&faulty, "")); }

static void settle_open(int r)
{
	static unsigned int refused;

	/* To see what is on the spare takes longest, so of those refused every eighth does it. */
	if (!r || ++refused % 8 == 0) {
		if (r)
			assert_int_equal(ask_open(), 0);
		oracle_reopen(oracle, "/dev/mapper/" NAME);
		faulty_is_well();
		oracle_close(oracle);
	}
	have_other_table();
}

static void opening(void **state)
{
	(void)state;
	faulty_make();
	pair_close(&faulty);
	make_with_other_table();
	with_each_failing(ask_open, settle_open);
}

static int ask_format(void) { return dm_reload(NAME, pair_table(&faulty, "1 format")); }

static void settle_format(int r)
{
	(void)r;
	have_other_table();
}

static void opening_a_new_spare(void **state)
{
	(void)state;
	faulty_make_blank();
	pair_close(&faulty);
	make_with_other_table();
	/* The places are those of opening(), as formatting allocates nothing: a fourth of them. */
	with_failing(4, ask_format, settle_format);
	assert_int_equal(dm_remove(NAME), 0);
	assert_int_equal(pair_open(&faulty, ""), 0);
	assert_int_equal(pair_status(&faulty).copies, 5);
}

static int ask_suspend_and_resume(void)
{
	int r = dm_suspend(NAME);

	return r ? r : dm_resume(NAME);
}

static void settle_resume(int r)
{
	if (r)
		assert_int_equal(dm_resume(NAME), 0);
	faulty_is_well();
}

static void suspending_and_resuming(void **state)
{
	(void)state;
	faulty_make();
	with_each_failing(ask_suspend_and_resume, settle_resume);
}

static int ask_reload(void)
{
	static unsigned int turn;

	return dm_reload(NAME, pair_table(&faulty, turn++ % 2 ? "2 label one" : "2 label other"));
}

static void reloading(void **state)
{
	(void)state;
	faulty_make();
	with_each_failing(ask_reload, settle_resume);
}

static int ask_remove(void) { return dm_remove(NAME); }

static void settle_remove(int r)
{
	char text[256];

	if (r && !dm_status(NAME, text, sizeof(text)))
		assert_int_equal(dm_remove(NAME), 0);
	assert_int_equal(dm_create(NAME, pair_table(&faulty, "")), 0);
	oracle_reopen(oracle, "/dev/mapper/" NAME);
	faulty_is_well();
	oracle_close(oracle);
}

static void removing(void **state)
{
	(void)state;
	faulty_make();
	oracle_close(oracle);
	with_each_failing(ask_remove, settle_remove);
}

static const char *message;
static char answer[4096];

static int ask_message(void) { return dm_message(NAME, message, answer, sizeof(answer)); }

static void settle_message(int r)
{
	(void)r;
	faulty_is_well();
}

static void sending_messages(void **state)
{
	static const char *const messages[] = { "remap 800 8", "unmap 800 8", "repair", "list",
						"stats",       "retest" };
	unsigned int i;

	(void)state;
	faulty_make();
	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		message = messages[i];
		printf("%s: ", message);
		with_each_failing(ask_message, settle_message);
	}
	assert_int_equal(pair_status(&faulty).used, USED);
}

static int ask_status_and_table(void)
{
	int r = dm_status(NAME, answer, sizeof(answer));

	return r ? r : dm_table(NAME, answer, sizeof(answer));
}

static void asking_for_status_and_table(void **state)
{
	(void)state;
	faulty_make();
	with_each_failing(ask_status_and_table, settle_message);
}

static void every_nth_allocation(void **state)
{
	(void)state;
	faults_every_nth(&slab_faults, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(opening),
		CASE(opening_a_new_spare),
		CASE(suspending_and_resuming),
		CASE(reloading),
		CASE(removing),
		CASE(sending_messages),
		CASE(asking_for_status_and_table),
		CASE(every_nth_allocation),
	};

	dm_setup();
	faults_prepare();
	nth_file = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_file < 0)
		abort();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
