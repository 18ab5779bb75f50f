// SPDX-License-Identifier: GPL-2.0
/*
 * A thousand lives of one pair, some with I/O that fails, leave nothing behind: no memory, thread,
 * device or use of the module.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

#define LIVES 1000
#define FIRST_LIVES 50 /* until caches that grow once have grown */
#define BAD 4000       /* eight blocks that fail in some lives */
#define BAD_COUNT 64
/*
 * What may be more afterwards: of no kind of kernel object one for every fourth life, but for two slabs,
 * all of which counts as used while a CPU holds it; and of memory as a whole less than a page for
 * each. (An arena takes 96 KiB.) So one object a life is found from 16 bytes on.
 */
#define OBJECTS_MORE (LIVES / 4)
#define SLABS_MORE 2
#define KIB_MORE (LIVES * 4)
#define VMALLOC_KIB_MORE 1024
#define PERCPU_KIB_MORE 64

static struct pair pair;

static int end_of_test(void **state)
{
	(void)state;
	put_file("/sys/kernel/rcu_expedited", "0");
	pair_end(&pair);
	return 0;
}

/* ---- What the kernel holds ---- */

#define CACHES 512

struct cache {
	char name[64];
	unsigned long objects, in_a_slab;
};

struct held {
	struct cache caches[CACHES];
	unsigned int n, threads, devices;
	long available_kib, vmalloc_kib, percpu_kib;
};

static unsigned long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			kib = strtoul(line + strlen(name) + 1, NULL, 10);
	fclose(file);
	return kib;
}

/* Free pages that a CPU keeps for itself; MemAvailable does not count them, and they are megabytes. */
static unsigned long kept_by_cpus_kib(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long pages, kib = 0;
	char line[128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %lu", &pages) == 1)
			kib += pages * 4;
	fclose(file);
	return kib;
}

static void take_caches(struct held *held)
{
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct cache *cache = &held->caches[held->n];

		/* What vmalloc has given back it forgets only later; VmallocUsed knows at once. */
		if (sscanf(line, "%63s %lu %*u %*u %lu", cache->name, &cache->objects,
			   &cache->in_a_slab) == 3 &&
		    isalpha(cache->name[0]) && strcmp(cache->name, "vmap_area"))
			held->n++;
		assert_true(held->n < CACHES);
	}
	fclose(file);
	assert_true(held->n > 20);
}

static unsigned int entries_of(const char *path, bool (*counts)(const char *name))
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	unsigned int n = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		n += counts(entry->d_name);
	closedir(directory);
	return n;
}

/* Threads but for those that come and go as the kernel likes. */
static bool is_thread(const char *pid)
{
	char path[300], name[64] = "";
	FILE *file;

	if (!isdigit(pid[0]))
		return false;
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "r");
	if (!file || !fgets(name, sizeof(name), file))
		name[0] = 0;
	if (file)
		fclose(file);
	return name[0] && !(!strncmp(name, "kworker/", 8) && name[8] != 'R');
}

static bool is_device(const char *name) { return name[0] != '.'; }

/* What was freed may be so for good only later; this makes it now. */
static void settle(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		put_file("/proc/sys/vm/drop_caches", "3");
		shell("for cache in /sys/kernel/slab/*/shrink; do echo 1 >$cache; done");
		usleep(300000);
	}
}

static void take(struct held *held)
{
	settle();
	memset(held, 0, sizeof(*held));
	take_caches(held);
	held->threads = entries_of("/proc", is_thread);
	held->devices = entries_of("/sys/block", is_device);
	held->available_kib = meminfo("MemAvailable") + kept_by_cpus_kib();
	held->vmalloc_kib = meminfo("VmallocUsed");
	held->percpu_kib = meminfo("Percpu");
}

static unsigned long objects_in(const struct held *held, const char *name)
{
	unsigned int i;

	for (i = 0; i < held->n; i++)
		if (!strcmp(held->caches[i].name, name))
			return held->caches[i].objects;
	return 0;
}

/*
 * Whether what there was before, halfway and after the lives is a leak: it grew, and did so in both
 * halves. What else the kernel holds comes and goes, but not by the life.
 */
static bool leaks(long before, long halfway, long after, long allowed)
{
	return after - before >= allowed && halfway - before >= allowed / 4 &&
	       after - halfway >= allowed / 4;
}

static void nothing_leaks(const struct held *before, const struct held *halfway,
			  const struct held *after)
{
	unsigned int i;

	for (i = 0; i < after->n; i++) {
		const struct cache *cache = &after->caches[i];
		const unsigned long first = objects_in(before, cache->name);
		const unsigned long second = objects_in(halfway, cache->name);

		if (leaks(first, second, cache->objects,
			  OBJECTS_MORE + SLABS_MORE * cache->in_a_slab))
			fail_msg("%s: %lu objects, %lu halfway, %lu before", cache->name,
				 cache->objects, second, first);
	}
	if (leaks(-before->available_kib, -halfway->available_kib, -after->available_kib, KIB_MORE))
		fail_msg("%ld KiB available, %ld halfway, %ld before", after->available_kib,
			 halfway->available_kib, before->available_kib);
	assert_false(leaks(before->vmalloc_kib, halfway->vmalloc_kib, after->vmalloc_kib,
			   VMALLOC_KIB_MORE));
	assert_false(leaks(before->percpu_kib, halfway->percpu_kib, after->percpu_kib,
			   PERCPU_KIB_MORE));
	assert_int_equal(after->threads, before->threads);
	assert_int_equal(after->devices, before->devices);
}

/* ---- A life ---- */

static void *write_bad_blocks(void *argument)
{
	const int fd = open("/dev/mapper/" NAME, O_WRONLY | O_DIRECT);
	char *data = io_buffer(BAD_COUNT * SECTOR);
	int *failures = argument, i;

	*failures += fd < 0;
	for (i = 0; i < BAD_COUNT; i += 8)
		*failures += pwrite(fd, data + i * SECTOR, 8 * SECTOR, (BAD + i) * SECTOR) != 8 * SECTOR;
	close(fd);
	free(data);
	return NULL;
}

/* Loaded over the one that is live; @resumed or dropped. */
static void reload(bool resumed)
{
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	if (!resumed) {
		assert_int_equal(dm_clear(NAME), 0);
		return;
	}
	assert_int_equal(dm_suspend(NAME), 0);
	assert_int_equal(dm_resume(NAME), 0);
}

/* Main fails while the table is changed, and is well again in the end. */
static void live_with_failing_io(void)
{
	int failures = 0;
	pthread_t thread;
	char answer[64];

	disk_break(&pair.main, BAD, BAD_COUNT);
	pthread_create(&thread, NULL, write_bad_blocks, &failures);
	reload(true);
	pthread_join(thread, NULL);
	assert_int_equal(failures, 0);
	assert_int_equal(pair_status(&pair).used, BAD_COUNT / 8);
	disk_mend(&pair.main, BAD, BAD_COUNT);
	assert_int_equal(dm_message(NAME, "unmap 4000 64", answer, sizeof(answer)), 0);
	assert_string_equal(answer, "8 0 0\n");
}

static void live(unsigned int number)
{
	/* A table that is refused, one that is never resumed. */
	if (number % 10 == 1)
		assert_int_equal(dm_create(NAME, pair_table(&pair, "1 nonsense")), -EINVAL);
	assert_int_equal(dm_create(NAME, pair_table(&pair, "")), 0);
	if (number % 10 == 2)
		reload(false);
	if (number % 10 == 3)
		live_with_failing_io();
	else
		reload(true);
	assert_int_equal(dm_remove(NAME), 0);
}

/* The slots' places hold something from the beginning on, so that the spare takes no more memory. */
static void fill_slots(void)
{
	const uint32_t count = 2048;
	char *data = io_buffer(count * SECTOR);
	uint64_t sector;

	memset(data, 0x5a, count * SECTOR);
	for (sector = SLOTS_BEGIN; sector + count < pair.spare.sectors; sector += count)
		assert_int_equal(io_write(pair.spare.path, sector, data, count), 0);
	free(data);
}

static void a_thousand_lives_leave_nothing(void **state)
{
	static struct held before, halfway, after;
	char uses[16];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(400);
	pair_make_disks(&pair, &(struct pair_options){ .spare.mib = 16 });
	fill_slots();
	put_file("/sys/kernel/rcu_expedited", "1"); /* or they would take minutes */
	for (i = 0; i < FIRST_LIVES; i++)
		live(i);
	take(&before);
	for (i = 0; i < LIVES / 2; i++)
		live(i);
	take(&halfway);
	for (; i < LIVES; i++)
		live(i);
	take(&after);
	nothing_leaks(&before, &halfway, &after);

	get_file("/sys/module/dm_remap/refcnt", uses, sizeof(uses));
	assert_string_equal(uses, "0");
	assert_true(spare_copies_equal(pair.spare.path));
	shell("rmmod dm_remap");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_thousand_lives_leave_nothing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
