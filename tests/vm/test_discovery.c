// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4/discovery: which spares are found and in which state, which mains are
 * proposed, when that happens by itself, and that it is in nobody's way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

#define ROOT "/sys/kernel/dm-remap-v4/discovery/"
#define HEADER_SECTORS 8
#define BY_SIZE "50 size,logical_block_size"
#define LONGEST_LIST 65536

/* No other disk of the machine has main's size. */
#define MAIN_MIB 72

static struct pair pair;
static struct disk others[2];

static void end_of_others(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (others[i].name[0])
			disk_end(&others[i]);
	memset(others, 0, sizeof(others));
}

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	end_of_others();
	put_file(ROOT "auto_scan", "0");
	return 0;
}

/* ---- Files ---- */

/* 0 or a negative errno. */
static int put(const char *file, const char *text)
{
	char path[128];
	int fd, r;

	snprintf(path, sizeof(path), ROOT "%s", file);
	fd = open(path, O_WRONLY);
	r = fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

/* All of it, read in pieces of so many bytes; good until the next call. */
static const char *text_of(const char *file, size_t piece)
{
	static char text[LONGEST_LIST];
	char path[128];
	ssize_t size = 0, got;
	int fd;

	snprintf(path, sizeof(path), ROOT "%s", file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	while ((got = read(fd, text + size, piece)) > 0)
		size += got;
	close(fd);
	assert_int_equal(got, 0);
	text[size] = 0;
	return text;
}

static long long number_of(const char *file)
{
	return strtoll(text_of(file, 4096), NULL, 10);
}

static void scan(void)
{
	assert_int_equal(put("scan", "1\n"), 0);
}

/* The line of @file whose word @column (from 1) is @word, "" if there is none; at most one is. */
static const char *line_of(const char *file, unsigned int column, const char *word)
{
	static char line[512], copy[LONGEST_LIST];
	char *save, *at, *words, *save_words;
	unsigned int i;

	line[0] = 0;
	snprintf(copy, sizeof(copy), "%s", text_of(file, 4096));
	for (at = strtok_r(copy, "\n", &save); at; at = strtok_r(NULL, "\n", &save)) {
		char split[512];

		snprintf(split, sizeof(split), "%s", at);
		words = strtok_r(split, " ", &save_words);
		for (i = 1; i < column && words; i++)
			words = strtok_r(NULL, " ", &save_words);
		if (!words || strcmp(words, word))
			continue;
		assert_string_equal(line, "");
		snprintf(line, sizeof(line), "%s", at);
	}
	return line;
}

/* The device's state, "" if it is not listed. */
static const char *state_of(const char *name)
{
	const char *line = line_of("devices", 1, name);

	return strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;
}

/* Waits up to so many seconds. */
static bool state_becomes(const char *name, const char *state, unsigned int seconds)
{
	unsigned int tries;

	for (tries = 0; tries < seconds * 10 && strcmp(state_of(name), state); tries++)
		usleep(100000);
	return !strcmp(state_of(name), state);
}

static void is_state(const char *name, const char *state)
{
	if (strcmp(state_of(name), state))
		fail_msg("%s is '%s' instead of '%s': %s", name, state_of(name), state,
			 text_of("devices", 4096));
}

/* ---- Pairs ---- */

/* A pair that is closed again. */
static void make_closed_pair(const char *arguments)
{
	pair_make_disks(&pair, &(struct pair_options){ .main.mib = MAIN_MIB });
	assert_int_equal(pair_open(&pair, arguments), 0);
	pair_close(&pair);
}

static void uuid_of(const char *path, char *text)
{
	struct copy copies[COPIES];
	const uint8_t *u;

	spare_copies(path, copies);
	u = copies[0].uuid;
	sprintf(text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		u[14], u[15]);
}

static void numbers_of(const char *path, char *text, size_t size)
{
	struct stat stats;

	assert_int_equal(stat(path, &stats), 0);
	snprintf(text, size, "%u:%u", major(stats.st_rdev), minor(stats.st_rdev));
}

/* The header places of one device, to another or to another place of it. */
static void copy_headers(const char *from, const char *to, uint64_t to_sector)
{
	uint8_t header[HEADER_SECTORS * SECTOR];
	unsigned int c;

	for (c = 0; c < COPIES; c++) {
		assert_int_equal(io_read(from, copy_sector[c], header, HEADER_SECTORS), 0);
		assert_int_equal(io_write(to, to_sector + copy_sector[c], header, HEADER_SECTORS), 0);
	}
}

/* ---- What is there ---- */

static void every_file_is_there_with_its_mode(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} files[] = { { ROOT "scan", 0644 }, { ROOT "auto_scan", 0644 }, { ROOT "last_scan", 0444 },
		      { ROOT "devices", 0444 }, { ROOT "pairs", 0444 } };
	struct stat stats;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(stat(files[i].path, &stats), 0);
		assert_int_equal(stats.st_mode, S_IFREG | files[i].mode);
		assert_int_equal(stats.st_uid, 0);
	}
}

static void nothing_is_looked_for_by_loading(void **state)
{
	char text[16];

	(void)state;
	shell("rmmod dm_remap");
	make_closed_pair("");
	shell("rmmod dm_remap && modprobe dm-remap");
	get_file(ROOT "auto_scan", text, sizeof(text));
	assert_string_equal(text, "1");
	assert_int_equal(number_of("last_scan"), 0);
	sleep(5);
	assert_int_equal(number_of("last_scan"), 0);
	assert_string_equal(text_of("devices", 4096), "");
	assert_string_equal(text_of("pairs", 4096), "");
}

static void what_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = { "0", "2", "", "11", "1 1", "y", "-1", "1\n\n", " 1" };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const long long last = number_of("last_scan");

		if (bad[i][0])
			assert_int_equal(put("scan", bad[i]), -EINVAL);
		assert_int_equal(number_of("last_scan"), last);
		if (!bad[i][0] || !strcmp(bad[i], "0"))
			continue;
		assert_int_equal(put("auto_scan", bad[i]), -EINVAL);
		assert_int_equal(number_of("auto_scan"), 0);
	}
	assert_int_equal(put("auto_scan", "1\n"), 0);
	assert_int_equal(put("auto_scan", "2"), -EINVAL);
	assert_int_equal(number_of("auto_scan"), 1);
	assert_int_not_equal(put("last_scan", "1"), 0);
	assert_int_not_equal(put("devices", "1"), 0);
}

/* ---- States ---- */

static void a_spare_and_its_main_are_found(void **state)
{
	char uuid[64], numbers[32], line[256];
	const long long before = time(NULL);

	(void)state;
	make_closed_pair("2 label some.name-1");
	scan();
	assert_int_equal(number_of("scan"), 0);
	assert_in_range(number_of("last_scan"), before, time(NULL));
	uuid_of(pair.spare.path, uuid);
	numbers_of(pair.spare.path, numbers, sizeof(numbers));
	snprintf(line, sizeof(line), "spare %s %s some.name-1 %llu 5/5 ready", numbers, uuid,
		 (unsigned long long)spare_sequence(pair.spare.path));
	assert_string_equal(line_of("devices", 1, "spare"), line);
	snprintf(line, sizeof(line), "%s main spare " BY_SIZE, uuid);
	assert_string_equal(line_of("pairs", 1, uuid), line);
	assert_string_equal(state_of("main"), "");
}

static void a_live_pair_is_active(void **state)
{
	char uuid[64], line[256];

	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.mib = MAIN_MIB });
	uuid_of(pair.spare.path, uuid);
	disk_break(&pair.main, 1000, 8);
	disk_break(&pair.spare, copy_sector[2], 8);
	assert_int_equal(oracle_write(&pair.oracle, 1000, 8, 0), 0);
	scan();
	is_state("spare", "active");
	snprintf(line, sizeof(line), "%s - %llu 4/5 active", uuid,
		 (unsigned long long)pair_status(&pair).sequence);
	assert_non_null(strstr(line_of("devices", 1, "spare"), line));
	snprintf(line, sizeof(line), "%s main spare " BY_SIZE, uuid);
	assert_string_equal(line_of("pairs", 1, uuid), line);
	pair_close(&pair);
	scan();
	is_state("spare", "ready");
}

static void a_main_that_is_not_there_is_missing(void **state)
{
	(void)state;
	make_closed_pair("");
	disk_end(&pair.main);
	memset(&pair.main, 0, sizeof(pair.main));
	scan();
	is_state("spare", "main_missing");
	assert_string_equal(text_of("pairs", 4096), "");
	/* Nor is one of another size. */
	disk_make(&others[0], "other", &(struct disk_options){ .mib = MAIN_MIB + 1 });
	scan();
	is_state("spare", "main_missing");
}

static void two_mains_that_fit_are_ambiguous(void **state)
{
	(void)state;
	make_closed_pair("");
	disk_make(&others[0], "other", &(struct disk_options){ .mib = MAIN_MIB });
	scan();
	is_state("spare", "ambiguous");
	assert_string_equal(text_of("pairs", 4096), "");
	/* One that is in use is none. */
	disk_make(&others[1], "spare2", &(struct disk_options){ .mib = 32 });
	shell("dmsetup create other --table '0 %u remap /dev/other /dev/spare2'",
	      MAIN_MIB * 2048);
	scan();
	is_state("spare", "ready");
	is_state("spare2", "active");
	shell("dmsetup remove other");
}

static void a_spare_that_was_copied_is_ambiguous(void **state)
{
	(void)state;
	make_closed_pair("");
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	copy_headers(pair.spare.path, others[0].path, 0);
	scan();
	is_state("spare", "ambiguous");
	is_state("other", "ambiguous");
	assert_string_equal(text_of("pairs", 4096), "");
	assert_int_equal(pair_open(&pair, ""), 0);
	scan();
	is_state("spare", "active");
	is_state("other", "ambiguous");
}

static void one_copy_is_damage_and_two_are_not(void **state)
{
	static const enum damage damages[] = { ZEROS, RANDOM, FLIPPED_HEADER_BIT };
	int c;

	(void)state;
	make_closed_pair("");
	for (c = 0; c < 3; c++)
		spare_damage(pair.spare.path, c, damages[c]);
	scan();
	assert_non_null(strstr(line_of("devices", 1, "spare"), " 2/5 ready"));
	disk_break(&pair.spare, copy_sector[3], 8);
	scan();
	assert_non_null(strstr(line_of("devices", 1, "spare"), " 1/5 damaged"));
	assert_string_equal(text_of("pairs", 4096), "");
	spare_damage(pair.spare.path, 4, FLIPPED_HEADER_BIT);
	scan();
	assert_non_null(strstr(line_of("devices", 1, "spare"), " - - 0 0/5 damaged"));
	disk_mend(&pair.spare, copy_sector[3], 8);
}

static void foreign_contents_are_not_listed(void **state)
{
	uint8_t data[HEADER_SECTORS * SECTOR];
	unsigned int i, c;

	(void)state;
	pair_make_disks(&pair, NULL);
	for (i = 0; i < 3; i++) {
		for (c = 0; c < sizeof(data); c++)
			data[c] = i == 0 ? rand() : i == 1 ? 0xff : 0;
		for (c = 0; c < COPIES; c++)
			assert_int_equal(io_write(pair.spare.path, copy_sector[c], data, HEADER_SECTORS), 0);
		scan();
		assert_string_equal(text_of("devices", 4096), "");
	}
	/* With our magic, but nothing behind it that verifies. */
	memcpy(data, "DMREMAP4\1\0\0\0", 12);
	memset(data + 12, '\n', sizeof(data) - 12);
	assert_int_equal(io_write(pair.spare.path, copy_sector[1], data, HEADER_SECTORS), 0);
	scan();
	assert_non_null(strstr(line_of("devices", 1, "spare"), " - - 0 0/5 damaged"));
}

/* What the driver knows of main: scsi_debug gives a WWID, and its partition table numbers. */
static void what_main_is_known_by_raises_the_confidence(void **state)
{
	char name[32], uuid[64], line[256];
	unsigned long long sectors;

	(void)state;
	disk_make(&others[0], "spare2", &(struct disk_options){ .mib = 32 });
	scsi_make(name, sizeof(name), "dev_size_mb=32 num_parts=1");
	snprintf(line, sizeof(line), "/sys/block/%s/%s1/size", name, name);
	shell("i=0; until [ -e %s ]; do i=$((i + 1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done", line);
	get_file(line, uuid, sizeof(uuid));
	sectors = strtoull(uuid, NULL, 10);
	shell("dmsetup create parted --table '0 %llu remap /dev/%s1 /dev/spare2' && dmsetup remove parted",
	      sectors, name);
	scan();
	uuid_of("/dev/spare2", uuid);
	snprintf(line, sizeof(line),
		 "%s %s1 spare2 100 size,logical_block_size,unique_id,partition_uuid", uuid, name);
	assert_string_equal(line_of("pairs", 1, uuid), line);
	scsi_end();
	scan();
	is_state("spare2", "main_missing");
}

/* ---- By itself ---- */

static void what_comes_is_found_if_that_is_wanted(void **state)
{
	long long last;

	(void)state;
	make_closed_pair("");
	scan();
	assert_int_equal(put("auto_scan", "1"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = MAIN_MIB });
	assert_true(state_becomes("spare", "ambiguous", 15));
	disk_end(&others[0]);
	others[0].name[0] = 0;
	assert_true(state_becomes("spare", "ready", 15));
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_true(state_becomes("spare", "active", 15));
	pair_close(&pair);
	assert_true(state_becomes("spare", "ready", 15));
	/* Then nothing changes, so nothing is read. */
	sleep(8);
	last = number_of("last_scan");
	sleep(5);
	assert_int_equal(number_of("last_scan"), last);
	assert_int_equal(put("auto_scan", "0"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = MAIN_MIB });
	assert_false(state_becomes("spare", "ambiguous", 6));
	assert_int_equal(number_of("last_scan"), last);
	/* What came meanwhile is found when it is wanted again; here by the module's parameter. */
	put_file("/sys/module/dm_remap/parameters/auto_scan", "1");
	assert_int_equal(number_of("auto_scan"), 1);
	assert_true(state_becomes("spare", "ambiguous", 15));
}

/* Their disks are there before, of size 0: nothing announces them when they get one. */
static void a_loop_device_set_up_late_is_found(void **state)
{
	(void)state;
	make_closed_pair("");
	shell("modprobe loop && mkdir -p /dev/shm && { grep -q /dev/shm /proc/mounts || "
	      "mount -t tmpfs none /dev/shm; } && dd if=%s of=/dev/shm/spare bs=1M 2>/dev/null",
	      pair.spare.path);
	disk_end(&pair.spare);
	memset(&pair.spare, 0, sizeof(pair.spare));
	scan();
	assert_int_equal(put("auto_scan", "1"), 0);
	sleep(3);
	assert_string_equal(text_of("devices", 4096), "");
	shell("losetup /dev/loop3 /dev/shm/spare");
	assert_true(state_becomes("loop3", "ready", 15));
	shell("losetup -d /dev/loop3 && rm /dev/shm/spare");
	assert_true(state_becomes("loop3", "", 15));
}

/* The device is not new any more when it can be read at last. */
static void what_was_not_ready_is_looked_at_again(void **state)
{
	const struct pair_options options = { .main.mib = MAIN_MIB, .wrap_spare = true };
	unsigned int tries;
	long long last;

	(void)state;
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	scan();
	last = number_of("last_scan");
	sleep(1);
	assert_int_equal(dm_suspend(WRAPPED_SPARE), 0);
	assert_int_equal(put("auto_scan", "1"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	for (tries = 0; tries < 150 && number_of("last_scan") == last; tries++)
		usleep(100000);
	assert_null(strstr(text_of("devices", 4096), "dm-"));
	assert_int_equal(dm_resume(WRAPPED_SPARE), 0);
	for (tries = 0; tries < 150 && !strstr(text_of("devices", 4096), "dm-"); tries++)
		usleep(100000);
	assert_non_null(strstr(text_of("devices", 4096), "dm-"));
}

/* ---- In nobody's way ---- */

static atomic_bool stop;

static void *scan_again_and_again(void *arg)
{
	unsigned int *scans = arg;

	while (!atomic_load(&stop)) {
		if (put("scan", "1"))
			usleep(1000); /* the module is not there */
		else
			++*scans;
	}
	return NULL;
}

static pthread_t begin_scans(unsigned int *scans)
{
	pthread_t thread;

	*scans = 0;
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, scan_again_and_again, scans), 0);
	return thread;
}

static void end_scans(pthread_t thread)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static uint64_t writes_of(const struct disk *disk)
{
	char path[128], text[512];
	unsigned long long writes;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk->name);
	get_file(path, text, sizeof(text));
	assert_int_equal(sscanf(text, "%*u %*u %*u %*u %llu", &writes), 1);
	return writes;
}

static void devices_are_read_only_and_not_claimed(void **state)
{
	uint64_t sums[2], writes[2], flushes[2];
	unsigned int i, scans, opened = 0;
	pthread_t thread;
	int fd;

	(void)state;
	make_closed_pair("");
	sums[0] = device_checksum(pair.main.path, 0, pair.main.sectors);
	sums[1] = device_checksum(pair.spare.path, 0, pair.spare.sectors);
	writes[0] = writes_of(&pair.main);
	writes[1] = writes_of(&pair.spare);
	flushes[0] = disk_flushes(&pair.main);
	flushes[1] = disk_flushes(&pair.spare);
	thread = begin_scans(&scans);
	for (i = 0; i < 500 || scans < 5; i++) {
		fd = open(i % 2 ? pair.main.path : pair.spare.path, O_RDWR | O_EXCL);
		opened += fd >= 0;
		close(fd);
	}
	end_scans(thread);
	assert_int_equal(opened, i);
	/* Nor does another's claim hide them. */
	fd = open(pair.spare.path, O_RDWR | O_EXCL);
	assert_true(fd >= 0);
	scan();
	is_state("spare", "ready");
	close(fd);
	assert_int_equal(writes_of(&pair.main), writes[0]);
	assert_int_equal(writes_of(&pair.spare), writes[1]);
	assert_int_equal(disk_flushes(&pair.main), flushes[0]);
	assert_int_equal(disk_flushes(&pair.spare), flushes[1]);
	assert_int_equal(device_checksum(pair.main.path, 0, pair.main.sectors), sums[0]);
	assert_int_equal(device_checksum(pair.spare.path, 0, pair.spare.sectors), sums[1]);
}

static void devices_come_and_go_while_they_are_read(void **state)
{
	const time_t end = time(NULL) + 8;
	unsigned int scans, rounds = 0;
	pthread_t thread;

	(void)state;
	WITHIN_SECONDS(300);
	make_closed_pair("");
	assert_int_equal(put("auto_scan", "1"), 0);
	shell("modprobe sd_mod && modprobe scsi_debug dev_size_mb=32");
	thread = begin_scans(&scans);
	for (; time(NULL) < end; rounds++) {
		disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
		disk_make(&others[1], "other2", &(struct disk_options){ .mib = MAIN_MIB });
		put_file("/sys/bus/pseudo/drivers/scsi_debug/add_host", "1");
		shell("dmsetup create linear --table '0 65536 linear /dev/other 0' && "
		      "dmsetup suspend linear && dmsetup resume linear && dmsetup remove linear");
		assert_int_equal(pair_open(&pair, ""), 0);
		pair_close(&pair);
		put_file("/sys/bus/pseudo/drivers/scsi_debug/add_host", "-1");
		end_of_others();
	}
	end_scans(thread);
	print_message("%u rounds, %u scans\n", rounds, scans);
	assert_true(rounds > 0 && scans > 0);
	scsi_end();
	scan();
	is_state("spare", "ready");
}

/* Sixty spares on one disk, for more lines than a page has room for. */
static void long_lists_are_whole(void **state)
{
	static char whole[LONGEST_LIST];
	unsigned int i, n = 60;
	char name[32];

	(void)state;
	make_closed_pair("2 label a-name-that-is-as-long-as-such-a-name-can-be-in-the-metadata.63");
	disk_make(&others[0], "many", &(struct disk_options){ .mib = 60 * 32 });
	for (i = 0; i < n; i++) {
		copy_headers(pair.spare.path, others[0].path, i * 65536ull);
		shell("dmsetup create many%u --table '0 65536 linear /dev/many %llu'", i, i * 65536ull);
	}
	scan();
	strcpy(whole, text_of("devices", 4096));
	assert_true(strlen(whole) > 4096);
	for (i = 0; i < n; i++) {
		struct stat stats;

		snprintf(name, sizeof(name), "/dev/mapper/many%u", i);
		assert_int_equal(stat(name, &stats), 0);
		snprintf(name, sizeof(name), "dm-%u", minor(stats.st_rdev));
		is_state(name, "ambiguous");
	}
	assert_string_equal(text_of("devices", 7), whole);
	assert_string_equal(text_of("devices", LONGEST_LIST - 1), whole);
	for (i = 0; i < n; i++)
		shell("dmsetup remove many%u", i);
}

static void a_suspended_device_does_not_stop_it(void **state)
{
	const struct pair_options options = { .main.mib = MAIN_MIB,
					      .wrap_main = true, .wrap_spare = true };
	struct timespec begin, end;

	(void)state;
	WITHIN_SECONDS(120);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	assert_int_equal(dm_suspend(WRAPPED_SPARE), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 8);
	/* The disk below is read, and has the same spare; both of its mains fit. */
	is_state("spare", "ambiguous");
	assert_null(strstr(text_of("devices", 4096), "dm-"));
	assert_int_equal(dm_resume(WRAPPED_SPARE), 0);
	scan();
	assert_non_null(strstr(text_of("devices", 4096), "dm-"));
}

static void a_signal_ends_the_wait(void)
{
	struct timespec begin, end;
	pid_t child = fork();
	int status;

	if (!child) {
		put("scan", "1");
		_exit(0);
	}
	sleep(2);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	kill(child, SIGTERM);
	assert_int_equal(waitpid(child, &status, 0), child);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_true(end.tv_sec - begin.tv_sec < 3);
}

static void a_device_that_hangs_is_passed_over(void **state)
{
	const struct pair_options options = { .main.mib = MAIN_MIB,
					      .wrap_main = true, .wrap_spare = true };
	struct timespec begin, end;
	int kmsg;

	(void)state;
	WITHIN_SECONDS(200);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	copy_headers(pair.spare.path, others[0].path, 0);
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 25000");
	kmsg = kmsg_open();
	a_signal_ends_the_wait();
	/* What it was about is not waited for again. */
	scan();
	is_state("other", "ambiguous");
	assert_false(kmsg_says(kmsg, "no_answer"));
	/* A suspend has dm-delay give up the old reads. */
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 25000");
	sleep(1);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	scan();
	assert_true(kmsg_says(kmsg, "no_answer device=dm-"));
	is_state("other", "ambiguous");
	/* It is not waited for again. */
	scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 9, 18);
	is_state("spare", "ambiguous");
	/* The module waits for the read that is under way, and for that alone. */
	shell("rmmod dm_remap && modprobe dm-remap auto_scan=0");
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 20, 45);
	close(kmsg);
}

static void the_module_goes_while_it_looks(void **state)
{
	unsigned int scans, i;
	pthread_t thread;

	(void)state;
	WITHIN_SECONDS(300);
	make_closed_pair("");
	thread = begin_scans(&scans);
	for (i = 0; i < 10; i++) {
		usleep(i * 30000);
		shell("rmmod dm_remap && modprobe dm-remap auto_scan=%u", i % 2);
	}
	end_scans(thread);
	assert_true(scans > 0);
	put_file(ROOT "auto_scan", "0");
	scan();
	is_state("spare", "ready");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(every_file_is_there_with_its_mode),
		CASE(nothing_is_looked_for_by_loading),
		CASE(what_is_not_understood_is_refused),
		CASE(a_spare_and_its_main_are_found),
		CASE(a_live_pair_is_active),
		CASE(a_main_that_is_not_there_is_missing),
		CASE(two_mains_that_fit_are_ambiguous),
		CASE(a_spare_that_was_copied_is_ambiguous),
		CASE(one_copy_is_damage_and_two_are_not),
		CASE(foreign_contents_are_not_listed),
		CASE(what_main_is_known_by_raises_the_confidence),
		CASE(what_comes_is_found_if_that_is_wanted),
		CASE(a_loop_device_set_up_late_is_found),
		CASE(what_was_not_ready_is_looked_at_again),
		CASE(devices_are_read_only_and_not_claimed),
		CASE(devices_come_and_go_while_they_are_read),
		CASE(long_lists_are_whole),
		CASE(a_suspended_device_does_not_stop_it),
		CASE(a_device_that_hangs_is_passed_over),
		CASE(the_module_goes_while_it_looks),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	shell("modprobe dm-remap");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
