// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <libdevmapper.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faults.h"

#define HEAP (16 << 20) /* bytes */

#define DEBUGFS "/sys/kernel/debug/"

struct pair faulty;
#define oracle (&faulty.oracle)
uint64_t faulty_fresh;

struct faults slab_faults = { DEBUGFS "failslab", -1 }, page_faults = { DEBUGFS "fail_page_alloc", -1 },
  io_faults = { DEBUGFS "fail_make_request", -1 };

void faults_put(const char *directory, const char *name, long number)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	snprintf(text, sizeof(text), "%ld", number);
	put_file(path, text);
}

long faults_get(const char *directory, const char *name)
{
	char path[128], text[24];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	get_file(path, text, sizeof(text));
	return strtol(text, NULL, 10);
}

void faults_end(const struct faults *faults)
{
	if (write(faults->probability, "0", 1) != 1)
		abort();
}

void faults_of_disk(const struct disk *disk, bool can)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/make-it-fail", disk->name);
	put_file(path, can ? "1" : "0");
}

void faulty_end(void)
{
	faults_end(&slab_faults);
	faults_end(&io_faults);
	pair_end(&faulty);
}

void faulty_make_blank(void)
{
	pair_make(&faulty, &(struct pair_options){ .spare.mib = SPARE_MIB });
}

void faulty_make(void)
{
	faulty_make_blank();
	disk_break(&faulty.main, BAD, BAD_COUNT);
	assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
	assert_int_equal(pair_status(&faulty).used, USED);
}

void faulty_is_well(void)
{
	char text[16];

	assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
	assert_int_equal(pair_repair(&faulty), 5);
	assert_int_equal(oracle_check(oracle, AROUND, AROUND_COUNT), 0);
	assert_true(pair_status(&faulty).used >= USED);
	/* Also if there was no memory for its directory. */
	get_file("/sys/kernel/dm-remap-v4/stats/targets", text, sizeof(text));
	assert_string_equal(text, "1");
}

/* All sorts of things, whose results are as they may be; but never wrong data. */
static void do_things(void)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		oracle_write(oracle, faulty_fresh, 8, 0);
		faulty_fresh += 8;
		oracle_write(oracle, AROUND, AROUND_COUNT, i % 3 ? 0 : RWF_DSYNC);
		assert_true(oracle_read(oracle, AROUND, AROUND_COUNT) <= 0);
		dm_message(NAME, i % 2 ? "remap 800 16" : "unmap 800 16", NULL, 0);
		dm_message(NAME, "repair", NULL, 0);
		if (i % 4 == 0 && !dm_suspend(NAME))
			dm_resume(NAME);
	}
}

void faults_every_nth(const struct faults *faults, bool of_disks)
{
	static const unsigned int nths[] = { 2, 3, 5, 7, 11, 23 };
	unsigned int i;

	faulty_make();
	disk_break(&faulty.main, FRESH, FRESH_COUNT);
	faults_of_disk(&faulty.main, of_disks);
	faults_of_disk(&faulty.spare, of_disks);
	faulty_fresh = FRESH;
	for (i = 0; i < sizeof(nths) / sizeof(nths[0]); i++) {
		faults_put(faults->directory, "interval", nths[i]);
		faults_put(faults->directory, "times", MANY);
		faults_put(faults->directory, "space", 0);
		faults_put(faults->directory, "probability", 100);
		do_things();
		faults_end(faults);
		printf("every %uth: %ld failed\n", nths[i], MANY - faults_get(faults->directory, "times"));
		assert_true(faults_get(faults->directory, "times") < MANY);
		dm_make_nodes();
		/* It may have been left suspended. */
		assert_int_equal(dm_resume(NAME), 0);
		assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
		assert_int_equal(pair_repair(&faulty), 5);
		assert_int_equal(oracle_write(oracle, AROUND, AROUND_COUNT, 0), 0);
		pair_reopen(&faulty);
		faulty_is_well();
	}
}

void faults_prepare(void)
{
	static struct faults *const all[] = { &slab_faults, &page_faults, &io_faults };
	char path[128];
	unsigned int i;

	/* No page of our own shall be missing, and the library need not ask the kernel for more. */
	mallopt(M_TRIM_THRESHOLD, HEAP);
	mallopt(M_MMAP_THRESHOLD, HEAP);
	free(malloc(HEAP / 2));
	mlockall(MCL_CURRENT | MCL_FUTURE);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(path, sizeof(path), "%s/probability", all[i]->directory);
		all[i]->probability = open(path, O_WRONLY | O_CLOEXEC);
		if (all[i]->probability < 0)
			abort();
		/* A backtrace of each would look like the kernel's own complaint. */
		faults_put(all[i]->directory, "verbose", 0);
	}
	faults_put(DEBUGFS "fail_page_alloc", "min-order", 0);
	put_file(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	put_file(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put_file(DEBUGFS "failslab/ignore-gfp-wait", "N");
}
