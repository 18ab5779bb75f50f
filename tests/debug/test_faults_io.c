// SPDX-License-Identifier: GPL-2.0
/*
 * I/O that fails, at every place where it can: under each thing that the worker does the first I/O of a
 * disk fails, then the second, and so on until the last has gone by; once, or all from there on. What
 * comes of it is an error or a success, redirections stay what they were, and what was acknowledged is
 * read.
 *
 * Only a kernel with fault injection can run this: those of tests/debug.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>

#include "faults.h"

#define oracle (&faulty.oracle)

static char answer[4096];

static int end_of_test(void **state)
{
	(void)state;
	faulty_end();
	return 0;
}

/* What is asked of the target while I/O fails. */
struct request {
	int (*ask)(void);
	void (*verify)(int r); /* once nothing fails any more */
};

static int redirect_a_write(void) { return oracle_write(oracle, faulty_fresh, 8, 0); }

/* Acknowledged, it is read; else it may be read, or not. */
static void verify_write(int r)
{
	int found = oracle_read(oracle, faulty_fresh, 8);

	if (r)
		assert_true(found <= 0);
	else
		assert_int_equal(found, 0);
	faulty_fresh += 8;
}

static int lose_a_read(void)
{
	/* Main does not read: EIO is right, data would not be. */
	return oracle_read(oracle, faulty_fresh, 8) == -EIO ? 0 : -EPROTO;
}

static void verify_lost(int r)
{
	assert_int_equal(r, 0);
	assert_int_equal(oracle_read(oracle, faulty_fresh, 8), -EIO);
	faulty_fresh += 8;
}

static int write_to_a_slot(void) { return oracle_write(oracle, BAD, 8, 0); }
static int read_from_a_slot(void) { return oracle_read(oracle, BAD, 8); }

/* The numbers of a write that was not acknowledged and of the one before are both right to read. */
static void verify_slot(int r)
{
	assert_true(r <= 0);
	assert_int_equal(oracle_read(oracle, BAD, 8), 0);
	assert_int_equal(oracle_write(oracle, BAD, 8, 0), 0);
}

/* Answered "<done> <failed> <lost>". */
static int move(const char *what)
{
	unsigned int done, failed;
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%s %u 8", what, AROUND + 4);
	r = dm_message(NAME, text, answer, sizeof(answer));
	if (r)
		return r;
	assert_int_equal(sscanf(answer, "%u %u", &done, &failed), 2);
	return failed ? -EIO : 0;
}

static int move_there_and_back(void)
{
	int r = move("remap");

	return r ? r : move("unmap");
}

static void verify_back(int r)
{
	if (r)
		assert_int_equal(move("unmap"), 0);
}

static int repair(void) { return pair_repair(&faulty) == 5 ? 0 : -EIO; }
static void verify_nothing(int r) { (void)r; }

/*
 * @ask with I/O of @disk failing when @bytes have gone by: one I/O, or all from there on. True if
 * it came to that.
 */
static bool with_io_failing(const struct disk *disk, unsigned int bytes, bool once,
			    int (*ask)(void), int *result)
{
	const int times = once ? 1 : MANY;
	bool failed;

	faults_of_disk(disk, true);
	faults_put(io_faults.directory, "interval", 1);
	faults_put(io_faults.directory, "space", bytes);
	faults_put(io_faults.directory, "times", times);
	faults_put(io_faults.directory, "probability", 100);
	*result = ask();
	failed = faults_get(io_faults.directory, "times") != times;
	faults_end(&io_faults);
	faults_of_disk(disk, false);
	return failed;
}

/*
 * I/O is counted in bytes: a step of a block meets each I/O of the spare, which takes whole blocks
 * here, and a step of a sector each one of main. A flush has none: it fails only after others did.
 */
static void with_each_io_failing(const struct disk *disk, unsigned int step, bool once,
				 const struct request *request)
{
	unsigned int n, errors = 0;
	bool failed;
	int r;

	for (n = 0;; n++) {
		assert_true(faulty_fresh + 8 <= FRESH + FRESH_COUNT);
		failed = with_io_failing(disk, n * step, once, request->ask, &r);
		faulty_is_well();
		request->verify(r);
		if (!failed)
			break;
		errors += r != 0;
	}
	printf("%s, %s: %u places, %u errors\n", disk->name, once ? "one I/O" : "all from there on",
	       n, errors);
	assert_int_equal(r, 0);
}

static void each_io_of_each_disk(const struct request *request)
{
	faulty_make();
	disk_break(&faulty.main, FRESH, FRESH_COUNT);
	faulty_fresh = FRESH;
	with_each_io_failing(&faulty.spare, 8 * SECTOR, true, request);
	with_each_io_failing(&faulty.spare, 8 * SECTOR, false, request);
	with_each_io_failing(&faulty.main, SECTOR, true, request);
	with_each_io_failing(&faulty.main, SECTOR, false, request);
	pair_reopen(&faulty);
	faulty_is_well();
}

static void io_under_a_redirected_write(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ redirect_a_write, verify_write });
	/* Once more: what was acknowledged is known to the next boot. */
	pair_reopen(&faulty);
	while (faulty_fresh > FRESH) {
		faulty_fresh -= 8;
		verify_write(oracle->acknowledged[faulty_fresh] == 0);
		faulty_fresh -= 8;
	}
}

static void io_under_a_read_that_is_lost(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ lose_a_read, verify_lost });
}

static void io_under_a_slot(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ write_to_a_slot, verify_slot });
	pair_end(&faulty);
	each_io_of_each_disk(&(struct request){ read_from_a_slot, verify_slot });
}

static void io_under_remap_and_unmap(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ move_there_and_back, verify_back });
}

static void io_under_repair(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ repair, verify_nothing });
}

/* Not by fail_function, whose handler takes a lock of the random numbers' where lockdep forbids it. */
static void every_nth_io_of_either_disk(void **state)
{
	(void)state;
	faults_every_nth(&io_faults, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(io_under_a_redirected_write),
		CASE(io_under_a_read_that_is_lost),
		CASE(io_under_a_slot),
		CASE(io_under_remap_and_unmap),
		CASE(io_under_repair),
		CASE(every_nth_io_of_either_disk),
	};

	dm_setup();
	faults_prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
