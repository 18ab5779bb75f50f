// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4 while targets and the module come and go: which directories there are, and
 * that neither reads nor writes are in the way of tables that change.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"
#include "sysfs.h"

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

/* ---- Directories that come and go ---- */

static ssize_t read_again(int fd)
{
	char text[256];
	ssize_t size = pread(fd, text, sizeof(text), 0);

	return size < 0 ? -errno : size;
}

static void a_table_has_none_until_it_is_resumed(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(dm_make(NAME), 0);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(sysfs_files_below(sysfs_path("targets")), 0);
	sysfs_says("stats/targets", "0");
	assert_int_equal(dm_resume(NAME), 0);
	assert_int_equal(access(sysfs_path("./state"), F_OK), 0);
	assert_int_equal(dm_suspend(NAME), 0);
	sysfs_says("./state", "ok");
	assert_int_equal(dm_resume(NAME), 0);
}

static void a_reload_of_the_pair_keeps_it(void **state)
{
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	fd = open(sysfs_path("./stats/writes"), O_RDONLY);
	assert_int_equal(oracle_write(oracle, 0, 8, 0), 0);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 read_retries 9")), 0);
	assert_true(read_again(fd) > 0);
	sysfs_says("./config/read_retries", "9");
	assert_true(sysfs_number("./stats/writes") >= 1);
	sysfs_says("stats/targets", "1");
	close(fd);
}

static void another_pair_has_another(void **state)
{
	char uuid[64], table[256];
	struct disk other;
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	disk_make(&other, "other", &(struct disk_options){ .mib = 32 });
	snprintf(uuid, sizeof(uuid), "%s", sysfs_text("./uuid"));
	fd = open(sysfs_path("./state"), O_RDONLY);
	assert_true(read_again(fd) > 0);
	/* Main is the first pair's until that is gone. */
	snprintf(table, sizeof(table), "0 %llu linear %s 0", (unsigned long long)pair.length,
		 pair.main_path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_int_equal(read_again(fd), -ENODEV);
	assert_int_equal(access(sysfs_path("./."), F_OK), -1);
	snprintf(table, sizeof(table), "0 %llu remap %s %s", (unsigned long long)pair.length,
		 pair.main_path, other.path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_string_not_equal(sysfs_text("./uuid"), uuid);
	assert_int_equal(read_again(fd), -ENODEV);
	sysfs_says("stats/targets", "1");
	close(fd);
	oracle_close(oracle);
	assert_int_equal(dm_remove(NAME), 0);
	disk_end(&other);
}

/* Of one device, from one pair to another in one resume. */
static void a_pair_replaces_another(void **state)
{
	struct disk main, spare;
	char table[256], uuid[64];
	long long writes;
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	disk_make(&main, "main2", &(struct disk_options){ .mib = 64 });
	disk_make(&spare, "spare2", &(struct disk_options){ .mib = 32 });
	snprintf(uuid, sizeof(uuid), "%s", sysfs_text("./uuid"));
	assert_int_equal(oracle_write(oracle, 0, 8, 0), 0);
	sysfs_says("./stats/writes", "1");
	writes = sysfs_number("stats/total_writes");
	fd = open(sysfs_path("./stats/remaps"), O_RDONLY);
	snprintf(table, sizeof(table), "0 %llu remap %s %s", (unsigned long long)pair.length,
		 main.path, spare.path);
	assert_int_equal(dm_reload(NAME, table), 0);
	assert_string_not_equal(sysfs_text("./uuid"), uuid);
	/* The device has counted more, but that was the other's. */
	sysfs_says("./stats/writes", "0");
	assert_int_equal(sysfs_number("stats/total_writes"), writes);
	assert_int_equal(read_again(fd), -ENODEV);
	sysfs_says("stats/targets", "1");
	close(fd);
	oracle_close(oracle);
	assert_int_equal(dm_remove(NAME), 0);
	sysfs_says("stats/targets", "0");
	disk_end(&main);
	disk_end(&spare);
}

/* ---- All at once ---- */

static atomic_bool stop;
static atomic_ulong done, refused;
static char target_path[192];

/* Reads every file of target and module again and again, some with the file kept open. */
static void *read_all(void *kept)
{
	char path[256], text[4096];
	unsigned int i;
	int fd;

	while (!stop) {
		for (i = 0; i < SYSFS_READABLES && !stop; i++) {
			if (!strncmp(sysfs_readable[i], "./", 2))
				snprintf(path, sizeof(path), "%s/%s", target_path, sysfs_readable[i] + 2);
			else
				snprintf(path, sizeof(path), SYSFS "/%s", sysfs_readable[i]);
			fd = open(path, O_RDONLY);
			if (fd < 0) {
				refused++;
				continue;
			}
			if (kept)
				usleep(1000);
			if (read(fd, text, sizeof(text)) > 0)
				done++;
			else
				refused++;
			close(fd);
		}
	}
	return NULL;
}

/* Writes to every file that can be written. */
static void *write_all(void *unused)
{
	static const char *const commands[] = { "start", "pause", "resume", "stop" };
	char path[256];
	unsigned int i, k = 0;

	(void)unused;
	while (!stop) {
		for (i = 0; i < SYSFS_CONFIGS; i++) {
			if (!strcmp(sysfs_configs[i].file, "auto_remap"))
				continue;
			snprintf(path, sizeof(path), "%s/config/%s", target_path, sysfs_configs[i].file);
			*(try_put_file(path, sysfs_configs[i].good[k % 2]) ? &done : &refused) += 1;
		}
		snprintf(path, sizeof(path), "%s/health/scan_state", target_path);
		*(try_put_file(path, commands[k++ % 4]) ? &done : &refused) += 1;
	}
	return NULL;
}

#define RACE_SECONDS 3 /* or 25 rounds; on a slow machine three at least */

static bool race_goes_on(unsigned int round)
{
	static time_t begun;

	if (!round)
		begun = time(NULL);
	return round < 3 || (round < 25 * times() && time(NULL) - begun < RACE_SECONDS * times());
}

static void begin(pthread_t *threads, unsigned int n, void *(*first)(void *),
		  void *(*second)(void *))
{
	unsigned int i;

	snprintf(target_path, sizeof(target_path), SYSFS "/%s", sysfs_directory(NAME));
	stop = false;
	done = refused = 0;
	for (i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? second : first,
						i / 2 % 2 ? threads : NULL), 0);
}

static void end(pthread_t *threads, unsigned int n)
{
	stop = true;
	while (n)
		assert_int_equal(pthread_join(threads[--n], NULL), 0);
	printf("%lu went well, %lu came too late\n", (unsigned long)done, (unsigned long)refused);
}

static void reads_and_writes_while_targets_come_and_go(void **state)
{
	pthread_t threads[4];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make(&pair, NULL);
	begin(threads, 4, read_all, write_all);
	for (i = 0; race_goes_on(i); i++) {
		usleep(20000);
		pair_close(&pair);
		assert_int_equal(pair_open(&pair, ""), 0);
	}
	end(threads, 4);
	assert_true(done > 0);
	sysfs_says("stats/targets", "1");
}

static void reads_and_writes_while_tables_change(void **state)
{
	pthread_t threads[4];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	pair_make(&pair, NULL);
	begin(threads, 4, read_all, write_all);
	for (i = 0; race_goes_on(i); i++) {
		assert_int_equal(dm_suspend(NAME), 0);
		usleep(5000);
		assert_int_equal(dm_resume(NAME), 0);
		assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
		assert_int_equal(dm_rename(NAME, "another"), 0);
		assert_int_equal(dm_rename("another", NAME), 0);
		assert_int_equal(oracle_write(oracle, 8 * i, 8, 0), 0);
	}
	end(threads, 4);
	/* The directory stayed, so only the scanner's commands can have been refused. */
	assert_true(done > refused);
	assert_int_equal(oracle_check(oracle, 0, pair.length), 0);
}

static void the_module_goes_while_files_are_open(void **state)
{
	static const char *const files[] = { "version", "stats/total_reads", "config/read_retries" };
	int fds[4];
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	fds[3] = open(sysfs_path("./state"), O_RDONLY);
	for (i = 0; i < 3; i++)
		fds[i] = open(sysfs_path(files[i]), O_RDONLY);
	for (i = 0; i < 4; i++)
		assert_true(read_again(fds[i]) > 0);
	pair_end(&pair);
	assert_int_equal(read_again(fds[3]), -ENODEV);
	shell("rmmod dm_remap");
	for (i = 0; i < 4; i++) {
		assert_int_equal(read_again(fds[i]), -ENODEV);
		close(fds[i]);
	}
	assert_int_equal(access(SYSFS, F_OK), -1);
	shell("modprobe dm-remap");
	sysfs_says("stats/total_reads", "0");
}

/* Somebody reads all the time while it is unloaded and loaded. */
static void the_module_comes_and_goes_while_files_are_read(void **state)
{
	pthread_t threads[2];
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(600);
	snprintf(target_path, sizeof(target_path), SYSFS "/targets/dm-0");
	stop = false;
	done = refused = 0;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, i ? threads : NULL), 0);
	for (i = 0; race_goes_on(i); i++)
		shell("rmmod dm_remap && modprobe dm-remap");
	end(threads, 2);
	sysfs_says("stats/targets", "0");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_table_has_none_until_it_is_resumed),
		CASE(a_reload_of_the_pair_keeps_it),
		CASE(another_pair_has_another),
		CASE(a_pair_replaces_another),
		CASE(reads_and_writes_while_targets_come_and_go),
		CASE(reads_and_writes_while_tables_change),
		CASE(the_module_goes_while_files_are_open),
		CASE(the_module_comes_and_goes_while_files_are_read),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
