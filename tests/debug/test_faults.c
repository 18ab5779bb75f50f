// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and I/O that fail once, at every place where they can: under each thing that is asked of
 * the target the first allocation fails, then the second, and so on until the last has gone by; and
 * the same with each I/O of a disk. What comes of it is an error or a success, redirections stay
 * what they were, and what was acknowledged is read. The kernel itself says what leaked or broke.
 *
 * Only a kernel with fault injection can run this: those of tests/debug.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define BAD 4000 /* the bad area that is redirected before a test begins */
#define BAD_COUNT 100
#define USED 13
#define AROUND 3900
#define AROUND_COUNT 300

#define FRESH 40000 /* and one that the test itself redirects */
#define FRESH_COUNT 16384

#define HEAP (16 << 20) /* bytes */
#define MANY 1000000 /* faults: more than there are places */

#define DEBUGFS "/sys/kernel/debug/"

static struct pair pair;
#define oracle (&pair.oracle)

static int nth_file;

/* What can fail, and the file to end it: to open that might fail as well. */
static struct faults {
	const char *directory;
	int probability;
} slab_faults = { DEBUGFS "failslab", -1 }, page_faults = { DEBUGFS "fail_page_alloc", -1 },
  io_faults = { DEBUGFS "fail_make_request", -1 };

static void put_number(const char *directory, const char *name, long number)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(text, sizeof(text), "%ld", number);
	put_file(path, text);
}

static long get_number(const char *directory, const char *name)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	get_file(path, text, sizeof(text));
	return strtol(text, NULL, 10);
}

static void nothing_fails(const struct faults *faults)
{
	if (write(faults->probability, "0", 1) != 1)
		abort();
}

static void disk_can_fail(const struct disk *disk, bool can)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/make-it-fail", disk->name);
	put_file(path, can ? "1" : "0");
}

static int end_of_test(void **state)
{
	(void)state;
	nothing_fails(&slab_faults);
	nothing_fails(&io_faults);
	pair_end(&pair);
	return 0;
}

static void make_with_redirections(void)
{
	pair_make(&pair, NULL);
	disk_break(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
	assert_int_equal(pair_status(&pair).used, USED);
}

/* Nothing fails any more, but for main's bad sectors: all is as it was, or can be made so. */
static void all_is_well(void)
{
	char text[16];

	assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
	assert_int_equal(pair_repair(&pair), 5);
	assert_int_equal(oracle_check(oracle, AROUND, AROUND_COUNT), 0);
	assert_true(pair_status(&pair).used >= USED);
	/* Also if there was no memory for its directory. */
	get_file("/sys/kernel/dm-remap-v4/stats/targets", text, sizeof(text));
	assert_string_equal(text, "1");
}

/* ---- What this thread asks for ---- */

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
 * @ask with its first allocation or I/O failing, its second, ... and last of all none. @settle gets
 * what @ask came to, and brings everything back to where it was before.
 */
static void with_each_failing(int (*ask)(void), void (*settle)(int r))
{
	unsigned int n, errors = 0;
	bool failed;
	int r;

	for (n = 1;; n++) {
		fail_nth(n);
		r = ask();
		failed = has_failed();
		/* Nodes in /dev that could not be made. */
		if (failed)
			dm_make_nodes();
		settle(r);
		if (!failed)
			break;
		errors += r != 0;
	}
	printf("%u places, %u errors\n", n - 1, errors);
	assert_int_equal(r, 0);
	assert_true(n > 1);
}

static int ask_create(void) { return dm_create(NAME, pair_table(&pair, "")); }

static void settle_create(int r)
{
	static unsigned int refused;

	/* Nothing is open; to see what that left on the spare takes longest, so every eighth does it. */
	if (r && ++refused % 8)
		return;
	if (r)
		assert_int_equal(dm_create(NAME, pair_table(&pair, "")), 0);
	oracle_reopen(oracle, "/dev/mapper/" NAME);
	all_is_well();
	pair_close(&pair);
}

static void creating(void **state)
{
	(void)state;
	make_with_redirections();
	pair_close(&pair);
	with_each_failing(ask_create, settle_create);
}

static int ask_format(void) { return dm_create(NAME, pair_table(&pair, "1 format")); }

static void settle_format(int r)
{
	if (!r)
		assert_int_equal(dm_remove(NAME), 0);
}

static void creating_on_a_new_spare(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	pair_close(&pair);
	with_each_failing(ask_format, settle_format);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).copies, 5);
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
	all_is_well();
}

static void suspending_and_resuming(void **state)
{
	(void)state;
	make_with_redirections();
	with_each_failing(ask_suspend_and_resume, settle_resume);
}

static int ask_reload(void)
{
	static unsigned int turn;

	return dm_reload(NAME, pair_table(&pair, turn++ % 2 ? "2 label one" : "2 label other"));
}

static void reloading(void **state)
{
	(void)state;
	make_with_redirections();
	with_each_failing(ask_reload, settle_resume);
}

static int ask_remove(void) { return dm_remove(NAME); }

static void settle_remove(int r)
{
	char text[256];

	if (r && !dm_status(NAME, text, sizeof(text)))
		assert_int_equal(dm_remove(NAME), 0);
	assert_int_equal(dm_create(NAME, pair_table(&pair, "")), 0);
	oracle_reopen(oracle, "/dev/mapper/" NAME);
	all_is_well();
	oracle_close(oracle);
}

static void removing(void **state)
{
	(void)state;
	make_with_redirections();
	oracle_close(oracle);
	with_each_failing(ask_remove, settle_remove);
}

static const char *message;
static char answer[4096];

static int ask_message(void) { return dm_message(NAME, message, answer, sizeof(answer)); }

static void settle_message(int r)
{
	(void)r;
	all_is_well();
}

static void sending_messages(void **state)
{
	static const char *const messages[] = { "remap 800 8", "unmap 800 8", "repair", "list",
						"stats",       "retest" };
	unsigned int i;

	(void)state;
	make_with_redirections();
	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		message = messages[i];
		printf("%s: ", message);
		with_each_failing(ask_message, settle_message);
	}
	assert_int_equal(pair_status(&pair).used, USED);
}

static int ask_status_and_table(void)
{
	int r = dm_status(NAME, answer, sizeof(answer));

	return r ? r : dm_table(NAME, answer, sizeof(answer));
}

static void asking_for_status_and_table(void **state)
{
	(void)state;
	make_with_redirections();
	with_each_failing(ask_status_and_table, settle_message);
}

/* ---- What the worker does ---- */

/* What is asked of the target while I/O fails. */
struct request {
	int (*ask)(void);
	void (*verify)(int r); /* once nothing fails any more */
};

/* The next block of the bad area: each redirection takes a new one. */
static uint64_t fresh;

static int redirect_a_write(void) { return oracle_write(oracle, fresh, 8, 0); }

/* Acknowledged, it is read; else it may be read, or not. */
static void verify_write(int r)
{
	int found = oracle_read(oracle, fresh, 8);

	if (r)
		assert_true(found <= 0);
	else
		assert_int_equal(found, 0);
	fresh += 8;
}

static int lose_a_read(void)
{
	/* Main does not read: EIO is right, data would not be. */
	return oracle_read(oracle, fresh, 8) == -EIO ? 0 : -EPROTO;
}

static void verify_lost(int r)
{
	assert_int_equal(r, 0);
	assert_int_equal(oracle_read(oracle, fresh, 8), -EIO);
	fresh += 8;
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

static int repair(void) { return pair_repair(&pair) == 5 ? 0 : -EIO; }
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

	disk_can_fail(disk, true);
	put_number(io_faults.directory, "interval", 1);
	put_number(io_faults.directory, "space", bytes);
	put_number(io_faults.directory, "times", times);
	put_number(io_faults.directory, "probability", 100);
	*result = ask();
	failed = get_number(io_faults.directory, "times") != times;
	nothing_fails(&io_faults);
	disk_can_fail(disk, false);
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
		assert_true(fresh + 8 <= FRESH + FRESH_COUNT);
		failed = with_io_failing(disk, n * step, once, request->ask, &r);
		all_is_well();
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
	make_with_redirections();
	disk_break(&pair.main, FRESH, FRESH_COUNT);
	fresh = FRESH;
	with_each_io_failing(&pair.spare, 8 * SECTOR, true, request);
	with_each_io_failing(&pair.spare, 8 * SECTOR, false, request);
	with_each_io_failing(&pair.main, SECTOR, true, request);
	with_each_io_failing(&pair.main, SECTOR, false, request);
	pair_reopen(&pair);
	all_is_well();
}

static void io_under_a_redirected_write(void **state)
{
	(void)state;
	each_io_of_each_disk(&(struct request){ redirect_a_write, verify_write });
	/* Once more: what was acknowledged is known to the next boot. */
	pair_reopen(&pair);
	while (fresh > FRESH) {
		fresh -= 8;
		verify_write(oracle->acknowledged[fresh] == 0);
		fresh -= 8;
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
	pair_end(&pair);
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

/* ---- Every nth, in all that runs ---- */

/* All sorts of things, whose results are as they may be; but never wrong data. */
static void do_things(void)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		oracle_write(oracle, fresh, 8, 0);
		fresh += 8;
		oracle_write(oracle, AROUND, AROUND_COUNT, i % 3 ? 0 : RWF_DSYNC);
		assert_true(oracle_read(oracle, AROUND, AROUND_COUNT) <= 0);
		dm_message(NAME, i % 2 ? "remap 800 16" : "unmap 800 16", NULL, 0);
		dm_message(NAME, "repair", NULL, 0);
		if (i % 4 == 0 && !dm_suspend(NAME))
			dm_resume(NAME);
	}
}

static void every_nth(const struct faults *faults, bool of_disks)
{
	static const unsigned int nths[] = { 2, 3, 5, 7, 11, 23 };
	unsigned int i;

	make_with_redirections();
	disk_break(&pair.main, FRESH, FRESH_COUNT);
	disk_can_fail(&pair.main, of_disks);
	disk_can_fail(&pair.spare, of_disks);
	fresh = FRESH;
	for (i = 0; i < sizeof(nths) / sizeof(nths[0]); i++) {
		put_number(faults->directory, "interval", nths[i]);
		put_number(faults->directory, "times", MANY);
		put_number(faults->directory, "space", 0);
		put_number(faults->directory, "probability", 100);
		do_things();
		nothing_fails(faults);
		printf("every %uth: %ld failed\n", nths[i], MANY - get_number(faults->directory, "times"));
		assert_true(get_number(faults->directory, "times") < MANY);
		dm_make_nodes();
		/* It may have been left suspended. */
		assert_int_equal(dm_resume(NAME), 0);
		assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
		assert_int_equal(pair_repair(&pair), 5);
		assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
		pair_reopen(&pair);
		all_is_well();
	}
}

static void every_nth_allocation(void **state)
{
	(void)state;
	every_nth(&slab_faults, false);
}

/* Not by fail_function, whose handler takes a lock of the random numbers' where lockdep forbids it. */
static void every_nth_io_of_either_disk(void **state)
{
	(void)state;
	every_nth(&io_faults, true);
}

static void prepare(void)
{
	static struct faults *const all[] = { &slab_faults, &page_faults, &io_faults };
	char path[128];
	unsigned int i;

	/* No page of our own shall be missing, and the library need not ask the kernel for more. */
	mallopt(M_TRIM_THRESHOLD, HEAP);
	mallopt(M_MMAP_THRESHOLD, HEAP);
	free(malloc(HEAP / 2));
	mlockall(MCL_CURRENT | MCL_FUTURE);
	nth_file = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_file < 0)
		abort();
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(path, sizeof(path), "%s/probability", all[i]->directory);
		all[i]->probability = open(path, O_WRONLY | O_CLOEXEC);
		if (all[i]->probability < 0)
			abort();
		/* A backtrace of each would look like the kernel's own complaint. */
		put_number(all[i]->directory, "verbose", 0);
	}
	put_number(DEBUGFS "fail_page_alloc", "min-order", 0);
	put_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	put_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put_file(DEBUGFS "failslab/ignore-gfp-wait", "N");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(creating),
		CASE(creating_on_a_new_spare),
		CASE(suspending_and_resuming),
		CASE(reloading),
		CASE(removing),
		CASE(sending_messages),
		CASE(asking_for_status_and_table),
		CASE(io_under_a_redirected_write),
		CASE(io_under_a_read_that_is_lost),
		CASE(io_under_a_slot),
		CASE(io_under_remap_and_unmap),
		CASE(io_under_repair),
		CASE(every_nth_allocation),
		CASE(every_nth_io_of_either_disk),
	};

	dm_setup();
	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
