// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4/discovery: which spares are found and in which state, which mains are
 * proposed, and what is understood.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "discovery.h"
#include "sysfs.h"

#define BY_SIZE "50 size,logical_block_size"

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

static void every_file_is_there_with_its_mode(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} files[] = { { SYSFS "/discovery/scan", 0644 }, { SYSFS "/discovery/auto_scan", 0644 }, { SYSFS "/discovery/last_scan", 0444 },
		      { SYSFS "/discovery/devices", 0444 }, { SYSFS "/discovery/pairs", 0444 } };
	struct stat stats;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_int_equal(stat(files[i].path, &stats), 0);
		assert_int_equal(stats.st_mode, S_IFREG | files[i].mode);
		assert_int_equal(stats.st_uid, 0);
	}
}

static void what_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = { "0", "2", "", "11", "1 1", "y", "-1", "1\n\n", " 1" };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const long long last = sysfs_number("discovery/last_scan");

		if (bad[i][0])
			assert_int_equal(sysfs_put("discovery/scan", bad[i]), -EINVAL);
		assert_int_equal(sysfs_number("discovery/last_scan"), last);
		if (!bad[i][0] || !strcmp(bad[i], "0"))
			continue;
		assert_int_equal(sysfs_put("discovery/auto_scan", bad[i]), -EINVAL);
		assert_int_equal(sysfs_number("discovery/auto_scan"), 0);
	}
	assert_int_equal(sysfs_put("discovery/auto_scan", "1\n"), 0);
	assert_int_equal(sysfs_put("discovery/auto_scan", "2"), -EINVAL);
	assert_int_equal(sysfs_number("discovery/auto_scan"), 1);
	assert_int_not_equal(sysfs_put("discovery/last_scan", "1"), 0);
	assert_int_not_equal(sysfs_put("discovery/devices", "1"), 0);
}

static void a_spare_and_its_main_are_found(void **state)
{
	char uuid[64], numbers[32], line[256];
	const long long before = time(NULL);

	(void)state;
	discovery_closed_pair(&pair, "2 label some.name-1");
	discovery_scan();
	assert_int_equal(sysfs_number("discovery/scan"), 0);
	assert_in_range(sysfs_number("discovery/last_scan"), before, time(NULL));
	uuid_of(pair.spare.path, uuid);
	numbers_of(pair.spare.path, numbers, sizeof(numbers));
	snprintf(line, sizeof(line), "spare %s %s some.name-1 %llu 5/5 ready", numbers, uuid,
		 (unsigned long long)spare_sequence(pair.spare.path));
	assert_string_equal(discovery_line("devices", 1, "spare"), line);
	snprintf(line, sizeof(line), "%s main spare " BY_SIZE, uuid);
	assert_string_equal(discovery_line("pairs", 1, uuid), line);
	assert_string_equal(discovery_state("main"), "");
}

static void a_live_pair_is_active(void **state)
{
	char uuid[64], line[256];

	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.mib = DISCOVERY_MAIN_MIB });
	uuid_of(pair.spare.path, uuid);
	disk_break(&pair.main, 1000, 8);
	disk_break(&pair.spare, copy_sector[2], 8);
	assert_int_equal(oracle_write(&pair.oracle, 1000, 8, 0), 0);
	discovery_scan();
	discovery_is("spare", "active");
	snprintf(line, sizeof(line), "%s - %llu 4/5 active", uuid,
		 (unsigned long long)pair_status(&pair).sequence);
	assert_non_null(strstr(discovery_line("devices", 1, "spare"), line));
	snprintf(line, sizeof(line), "%s main spare " BY_SIZE, uuid);
	assert_string_equal(discovery_line("pairs", 1, uuid), line);
	pair_close(&pair);
	discovery_scan();
	discovery_is("spare", "ready");
}

static void a_main_that_is_not_there_is_missing(void **state)
{
	(void)state;
	discovery_closed_pair(&pair, "");
	disk_end(&pair.main);
	memset(&pair.main, 0, sizeof(pair.main));
	discovery_scan();
	discovery_is("spare", "main_missing");
	assert_string_equal(discovery_text("pairs", 4096), "");
	/* Nor is one of another size. */
	disk_make(&others[0], "other", &(struct disk_options){ .mib = DISCOVERY_MAIN_MIB + 1 });
	discovery_scan();
	discovery_is("spare", "main_missing");
}

static void two_mains_that_fit_are_ambiguous(void **state)
{
	(void)state;
	discovery_closed_pair(&pair, "");
	disk_make(&others[0], "other", &(struct disk_options){ .mib = DISCOVERY_MAIN_MIB });
	discovery_scan();
	discovery_is("spare", "ambiguous");
	assert_string_equal(discovery_text("pairs", 4096), "");
	/* One that is in use is none. */
	disk_make(&others[1], "spare2", &(struct disk_options){ .mib = 32 });
	shell("dmsetup create other --table '0 %u remap /dev/other /dev/spare2'",
	      DISCOVERY_MAIN_MIB * 2048);
	discovery_scan();
	discovery_is("spare", "ready");
	discovery_is("spare2", "active");
	shell("dmsetup remove other");
}

static void a_spare_that_was_copied_is_ambiguous(void **state)
{
	(void)state;
	discovery_closed_pair(&pair, "");
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	discovery_copy_headers(pair.spare.path, others[0].path, 0);
	discovery_scan();
	discovery_is("spare", "ambiguous");
	discovery_is("other", "ambiguous");
	assert_string_equal(discovery_text("pairs", 4096), "");
	assert_int_equal(pair_open(&pair, ""), 0);
	discovery_scan();
	discovery_is("spare", "active");
	discovery_is("other", "ambiguous");
}

static void one_copy_is_damage_and_two_are_not(void **state)
{
	static const enum damage damages[] = { ZEROS, RANDOM, FLIPPED_HEADER_BIT };
	int c;

	(void)state;
	discovery_closed_pair(&pair, "");
	for (c = 0; c < 3; c++)
		spare_damage(pair.spare.path, c, damages[c]);
	discovery_scan();
	assert_non_null(strstr(discovery_line("devices", 1, "spare"), " 2/5 ready"));
	disk_break(&pair.spare, copy_sector[3], 8);
	discovery_scan();
	assert_non_null(strstr(discovery_line("devices", 1, "spare"), " 1/5 damaged"));
	assert_string_equal(discovery_text("pairs", 4096), "");
	spare_damage(pair.spare.path, 4, FLIPPED_HEADER_BIT);
	discovery_scan();
	assert_non_null(strstr(discovery_line("devices", 1, "spare"), " - - 0 0/5 damaged"));
	disk_mend(&pair.spare, copy_sector[3], 8);
}

static void foreign_contents_are_not_listed(void **state)
{
	uint8_t data[DISCOVERY_HEADER_SECTORS * SECTOR];
	unsigned int i, c;

	(void)state;
	pair_make_disks(&pair, NULL);
	for (i = 0; i < 3; i++) {
		for (c = 0; c < sizeof(data); c++)
			data[c] = i == 0 ? rand() : i == 1 ? 0xff : 0;
		for (c = 0; c < COPIES; c++)
			assert_int_equal(io_write(pair.spare.path, copy_sector[c], data, DISCOVERY_HEADER_SECTORS), 0);
		discovery_scan();
		assert_string_equal(discovery_text("devices", 4096), "");
	}
	/* With our magic, but nothing behind it that verifies. */
	memcpy(data, "DMREMAP4\1\0\0\0", 12);
	memset(data + 12, '\n', sizeof(data) - 12);
	assert_int_equal(io_write(pair.spare.path, copy_sector[1], data, DISCOVERY_HEADER_SECTORS), 0);
	discovery_scan();
	assert_non_null(strstr(discovery_line("devices", 1, "spare"), " - - 0 0/5 damaged"));
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
	discovery_scan();
	uuid_of("/dev/spare2", uuid);
	snprintf(line, sizeof(line),
		 "%s %s1 spare2 100 size,logical_block_size,unique_id,partition_uuid", uuid, name);
	assert_string_equal(discovery_line("pairs", 1, uuid), line);
	scsi_end();
	discovery_scan();
	discovery_is("spare2", "main_missing");
}

/* Sixty spares on one disk, for more lines than a page has room for. */
static void long_lists_are_whole(void **state)
{
	static char whole[DISCOVERY_LONGEST];
	unsigned int i, n = 60;
	char name[32], table[64];

	(void)state;
	discovery_closed_pair(&pair, "2 label a-name-that-is-as-long-as-such-a-name-can-be-in-the-metadata.63");
	disk_make(&others[0], "many", &(struct disk_options){ .mib = 60 * 32 });
	for (i = 0; i < n; i++) {
		discovery_copy_headers(pair.spare.path, others[0].path, i * 65536ull);
		snprintf(name, sizeof(name), "many%u", i);
		snprintf(table, sizeof(table), "0 65536 linear /dev/many %llu", i * 65536ull);
		assert_int_equal(dm_create(name, table), 0);
	}
	discovery_scan();
	strcpy(whole, discovery_text("devices", 4096));
	assert_true(strlen(whole) > 4096);
	for (i = 0; i < n; i++) {
		struct stat stats;

		snprintf(name, sizeof(name), "/dev/mapper/many%u", i);
		assert_int_equal(stat(name, &stats), 0);
		snprintf(name, sizeof(name), "dm-%u", minor(stats.st_rdev));
		discovery_is(name, "ambiguous");
	}
	assert_string_equal(discovery_text("devices", 7), whole);
	assert_string_equal(discovery_text("devices", DISCOVERY_LONGEST - 1), whole);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "many%u", i);
		assert_int_equal(dm_remove(name), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(every_file_is_there_with_its_mode),
		CASE(what_is_not_understood_is_refused),
		CASE(a_spare_and_its_main_are_found),
		CASE(a_live_pair_is_active),
		CASE(a_main_that_is_not_there_is_missing),
		CASE(two_mains_that_fit_are_ambiguous),
		CASE(a_spare_that_was_copied_is_ambiguous),
		CASE(one_copy_is_damage_and_two_are_not),
		CASE(foreign_contents_are_not_listed),
		CASE(what_main_is_known_by_raises_the_confidence),
		CASE(long_lists_are_whole),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	shell("modprobe dm-remap");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
