// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input: refused with the errno that is documented for it, a line in the kernel log that says
 * what was found and what would go on, and without a byte written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pair.h"

static struct pair pair;
#define oracle (&pair.oracle)

/* Small, because all of it is looked at again and again. */
static const struct pair_options small = { .spare.mib = 16 };

static struct disk other;
static int kernel_log = -1;

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	dm_remove("part");
	dm_remove("second");
	if (other.sectors)
		disk_end(&other);
	memset(&other, 0, sizeof(other));
	if (kernel_log >= 0)
		close(kernel_log);
	kernel_log = -1;
	return 0;
}

/* Says what the log must say about what follows. */
static void watch_log(void)
{
	if (kernel_log >= 0)
		close(kernel_log);
	kernel_log = kmsg_open();
}

/* Neither main nor spare is changed by a table that is refused; the log has @word. */
static void refused(const char *arguments, int error, const char *word)
{
	const uint64_t main_sectors = 2048;
	uint64_t spare = device_checksum(pair.spare.path, 0, pair.spare.sectors);
	uint64_t main = device_checksum(pair.main.path, 0, main_sectors);
	int r;

	watch_log();
	assert_int_equal(dm_make(NAME), 0);
	/* What can be known at load is known at load. */
	r = dm_load(NAME, pair_table(&pair, arguments));
	assert_int_equal(dm_remove(NAME), 0);
	if (error)
		assert_int_equal(r, error);
	else
		assert_true(r < 0);
	if (!kmsg_says(kernel_log, word))
		fail_msg("the log does not say '%s'", word);
	assert_int_equal(device_checksum(pair.spare.path, 0, pair.spare.sectors), spare);
	assert_int_equal(device_checksum(pair.main.path, 0, main_sectors), main);
}

static void refused_line(const char *line, int error)
{
	int r = dm_create(NAME, line);

	if (!r)
		fail_msg("accepted: %s", line);
	if (error)
		assert_int_equal(r, error);
}

static void a_line_that_lacks_or_misspells_an_argument(void **state)
{
	static const char *const bad[] = {
		"x", "1", "2 uuid", "1 uuid", "2 label", "1 label", "-1", "0 format", "2 format",
		"1 format format", "1 Format", "1 formatt", "2 uuid 1234", "99999999999 format",
		"2 uuid 01234567-89ab-4def-8123-456789abcdeg",
		"2 uuid 01234567-89ab-4def-8123-456789abcdef0",
		"2 uuid 0123456789ab4def8123456789abcdef", "2 label a/b", "2 label a\\ b",
		"2 label 0123456789012345678901234567890123456789012345678901234567890123",
		"3 format uuid 01234567-89ab-4def-8123-456789abcdef",
	};
	char line[160];
	unsigned int i;

	(void)state;
	pair_make_disks(&pair, &small);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused_line(pair_table(&pair, bad[i]), -EINVAL);
	refused("1 bogus", -EINVAL, "bogus");
	refused_line("0 1024 remap", -EINVAL);
	snprintf(line, sizeof(line), "0 1024 remap %s", pair.main.path);
	refused_line(line, -EINVAL);
	snprintf(line, sizeof(line), "0 1024 remap %s /dev/nonesuch", pair.main.path);
	refused_line(line, 0);
	snprintf(line, sizeof(line), "0 1024 remap /dev/nonesuch %s", pair.spare.path);
	refused_line(line, 0);
	/* After all that it is still blank, and becomes a spare. */
	assert_int_equal(pair_open(&pair, "0"), 0);
}

static void peer_22_main_and_spare_must_differ(void **state)
{
	char line[160];

	(void)state;
	pair_make_disks(&pair, &small);
	snprintf(line, sizeof(line), "0 1024 remap %s %s", pair.main.path, pair.main.path);
	refused_line(line, -EINVAL);
}

static void add_partition(const char *path, uint64_t first_sector, uint64_t sectors)
{
	struct blkpg_partition partition = { .start = first_sector * SECTOR,
					     .length = sectors * SECTOR, .pno = 1 };
	struct blkpg_ioctl_arg argument = { .op = BLKPG_ADD_PARTITION,
					    .datalen = sizeof(partition), .data = &partition };
	int fd = open(path, O_RDONLY);

	if (ioctl(fd, BLKPG, &argument))
		fail_msg("cannot make a partition of %s", path);
	close(fd);
}

static void a_partition_of_the_other_device_overlaps(void **state)
{
	char line[160];

	(void)state;
	pair_make_disks(&pair, &small);
	add_partition(pair.main.path, 32768, 65536);
	snprintf(line, sizeof(line), "0 1024 remap %s %s1", pair.main.path, pair.main.path);
	refused_line(line, -EINVAL);
	snprintf(line, sizeof(line), "0 1024 remap %s1 %s", pair.main.path, pair.main.path);
	refused_line(line, -EINVAL);
	/* Another target's partition is as much in use as its disk. */
	disk_make(&other, "other", &(struct disk_options){ .mib = 32 });
	snprintf(line, sizeof(line), "0 65536 remap %s1 %s", pair.main.path, pair.spare.path);
	assert_int_equal(dm_create(NAME, line), 0);
	snprintf(line, sizeof(line), "0 1024 remap %s %s", pair.main.path, other.path);
	assert_true(dm_create("second", line) < 0);
	assert_int_equal(dm_remove(NAME), 0);
}

static void peer_16_a_spare_that_is_too_small(void **state)
{
	(void)state;
	pair_make_disks(&pair, &(struct pair_options){ .spare.mib = 15 });
	refused("", -ENOSPC, "16 MiB");
	disk_end(&pair.spare);
	/* The smallest that will do. */
	disk_make(&pair.spare, "spare", &(struct disk_options){ .mib = 16 });
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(pair_status(&pair).total, 2048);
}

static void peer_16_a_spare_that_shrank(void **state)
{
	char line[160];

	(void)state;
	pair_make(&pair, &(struct pair_options){ .spare.mib = 18 });
	disk_break(&pair.main, 5000, 8);
	assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
	pair_close(&pair);
	snprintf(line, sizeof(line), "0 %llu linear %s 0",
		 (unsigned long long)pair.spare.sectors - 2048, pair.spare.path);
	assert_int_equal(dm_create("part", line), 0);
	snprintf(pair.spare_path, sizeof(pair.spare_path), "/dev/mapper/part");
	refused("", -ENOSPC, "small");
}

static void a_target_longer_than_main(void **state)
{
	(void)state;
	pair_make_disks(&pair, &small);
	pair.length++;
	refused("", -EINVAL, "longer");
}

static void somebody_s_data_is_not_overwritten(void **state)
{
	static const struct {
		uint64_t sector;
		const char *what;
	} places[] = {
		{ 0, "boot sector" }, { 2, "superblock" }, { 1023, "gap" }, { 5000, "middle" },
		{ 16383, "end of the area" },
	};
	uint64_t last_sectors[2];
	char data[SECTOR];
	unsigned int i;

	(void)state;
	pair_make_disks(&pair, &small);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memset(data, 0, sizeof(data));
		snprintf(data + 100, 100, "%s", places[i].what);
		io_write(pair.spare.path, places[i].sector, data, 1);
		refused("", -EMEDIUMTYPE, "format");
		memset(data, 0, sizeof(data));
		io_write(pair.spare.path, places[i].sector, data, 1);
	}
	/* RAID and GPT keep theirs in the last MiB. */
	last_sectors[0] = pair.spare.sectors - 1;
	last_sectors[1] = pair.spare.sectors - 2048;
	for (i = 0; i < 2; i++) {
		data[511] = 1;
		io_write(pair.spare.path, last_sectors[i], data, 1);
		refused("", -EMEDIUMTYPE, "format");
		memset(data, 0, sizeof(data));
		io_write(pair.spare.path, last_sectors[i], data, 1);
	}
	shell("mkfs.ext4 -q %s", pair.spare.path);
	refused("", -EMEDIUMTYPE, "format");
	refused("2 uuid 01234567-89ab-4def-8123-456789abcdef", 0, "refused");
	shell("e2fsck -fn %s >/dev/null 2>&1", pair.spare.path);
	/* Only if one says so. */
	assert_int_equal(pair_open(&pair, "1 format"), 0);
	assert_true(spare_copies_equal(pair.spare.path));
}

static void a_spare_that_can_t_be_read_is_not_blank(void **state)
{
	(void)state;
	pair_make_disks(&pair, &small);
	disk_break(&pair.spare, 3000, 1);
	assert_int_equal(pair_open(&pair, ""), -EIO);
	disk_mend(&pair.spare, 3000, 1);
	disk_break(&pair.spare, pair.spare.sectors - 5, 1);
	assert_int_equal(pair_open(&pair, ""), -EIO);
	disk_mend(&pair.spare, pair.spare.sectors - 5, 1);
	assert_int_equal(pair_open(&pair, ""), 0);
}

static void peer_14_the_spare_of_another_main(void **state)
{
	(void)state;
	pair_make(&pair, &small);
	disk_break(&pair.main, 5000, 8);
	assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
	pair_close(&pair);
	disk_make(&other, "other", &(struct disk_options){ .mib = 65 });
	snprintf(pair.main_path, sizeof(pair.main_path), "%s", other.path);
	refused("", -ESTALE, "adopt_main");
	assert_int_equal(pair_open(&pair, "1 adopt_main"), 0);
	assert_int_equal(oracle_read(oracle, 5000, 8), 0);
	/* Recorded: now it is this one's. */
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 5000, 8), 0);
	pair_close(&pair);
	snprintf(pair.main_path, sizeof(pair.main_path), "%s", pair.main.path);
	refused("", -ESTALE, "adopt_main");
	/* One too small for what is redirected can't be adopted. */
	assert_int_equal(pair_open(&pair, "1 adopt_main"), 0);
	disk_break(&pair.main, pair.length - 8, 8);
	assert_int_equal(oracle_write(oracle, pair.length - 8, 8, 0), 0);
	pair_close(&pair);
	disk_end(&other);
	disk_make(&other, "other", &(struct disk_options){ .mib = 32 });
	snprintf(pair.main_path, sizeof(pair.main_path), "%s", other.path);
	pair.length = other.sectors;
	refused("1 adopt_main", -ESTALE, "another main");
}

static void uuid_opens_that_pair_only(void **state)
{
	char arguments[64], table[256], *uuid;

	(void)state;
	pair_make_disks(&pair, &small);
	refused("2 uuid 01234567-89ab-4def-8123-456789abcdef", -ESTALE, "blank");
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	pair_close(&pair);
	refused("2 uuid 01234567-89ab-4def-8123-456789abcdef", -ESTALE, "another pair");
	uuid = strstr(table, "uuid ");
	assert_non_null(uuid);
	snprintf(arguments, sizeof(arguments), "2 uuid %.36s", uuid + 5);
	assert_int_equal(pair_open(&pair, arguments), 0);
}

static void format_spares_what_is_in_use(void **state)
{
	char before[256], after[256];

	(void)state;
	pair_make(&pair, &small);
	assert_int_equal(dm_table(NAME, before, sizeof(before)), 0);
	pair_close(&pair);
	/* Nothing in use: a new pair. */
	assert_int_equal(pair_open(&pair, "1 format"), 0);
	assert_int_equal(dm_table(NAME, after, sizeof(after)), 0);
	assert_string_not_equal(before, after);
	disk_break(&pair.main, 5000, 8);
	assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
	pair_close(&pair);
	refused("1 format", -EBUSY, "format");
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_read(oracle, 5000, 8), 0);
	/* Nor on a live one. */
	assert_true(dm_reload(NAME, pair_table(&pair, "1 format")) < 0);
	assert_int_equal(oracle_read(oracle, 5000, 8), 0);
}

static void damage_is_told_with_what_would_go_on(void **state)
{
	int i;

	(void)state;
	pair_make(&pair, &small);
	pair_close(&pair);
	for (i = 0; i < 4; i++)
		spare_damage(pair.spare.path, i, FLIPPED_HEADER_BIT);
	refused("", -EUCLEAN, "accept_single_copy");
	spare_damage(pair.spare.path, 4, FLIPPED_HEADER_BIT);
	refused("", -EUCLEAN, "format");
}

static void peer_21_a_spare_with_larger_blocks_than_main_s(void **state)
{
	(void)state;
	pair_make_disks(&pair, &(struct pair_options){ .spare.block_bytes = 4096 });
	assert_int_equal(pair_open(&pair, ""), -EINVAL);
	disk_end(&pair.spare);
	disk_end(&pair.main);
	disk_make(&pair.main, "main", &(struct disk_options){ .mib = 64, .block_bytes = 4096 });
	disk_make(&pair.spare, "spare", &(struct disk_options){ .mib = 32 });
	assert_int_equal(pair_open(&pair, ""), 0);
}

static void zoned_devices(void **state)
{
	(void)state;
	pair_make_disks(&pair, &(struct pair_options){ .main.zoned = true, .spare.mib = 16 });
	refused("", -EINVAL, "Zoned");
	disk_end(&pair.spare);
	disk_end(&pair.main);
	disk_make(&pair.main, "main", &(struct disk_options){ .mib = 64 });
	disk_make(&pair.spare, "spare", &(struct disk_options){ .mib = 32, .zoned = true });
	refused("", -EINVAL, "Zoned");
}

static void peer_26_the_constructor_writes_nothing(void **state)
{
	unsigned int format;
	uint64_t before;

	(void)state;
	pair_make_disks(&pair, &small);
	for (format = 0; format < 2; format++) {
		before = device_checksum(pair.spare.path, 0, pair.spare.sectors);
		assert_int_equal(dm_make(NAME), 0);
		assert_int_equal(dm_load(NAME, pair_table(&pair, format ? "1 format" : "")), 0);
		assert_int_equal(device_checksum(pair.spare.path, 0, pair.spare.sectors), before);
		assert_int_equal(dm_clear(NAME), 0);
		assert_int_equal(dm_remove(NAME), 0);
		assert_int_equal(device_checksum(pair.spare.path, 0, pair.spare.sectors), before);
		/* Then with somebody else's data there, for `format`. */
		shell("mkfs.ext4 -q %s", pair.spare.path);
	}
}

static void what_was_written_after_the_load_is_refused_at_resume(void **state)
{
	char data[SECTOR] = { 0 }, found[SECTOR];

	(void)state;
	pair_make_disks(&pair, &small);
	assert_int_equal(dm_make(NAME), 0);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	data[17] = 1;
	assert_int_equal(io_write(pair.spare.path, 2, data, 1), 0);
	watch_log();
	assert_int_equal(dm_resume(NAME), -EMEDIUMTYPE);
	assert_true(kmsg_says(kernel_log, "format"));
	assert_int_equal(io_read(pair.spare.path, 2, found, 1), 0);
	assert_memory_equal(found, data, SECTOR);
	assert_int_equal(spare_copies(pair.spare.path, NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_that_lacks_or_misspells_an_argument),
		CASE(peer_22_main_and_spare_must_differ),
		CASE(a_partition_of_the_other_device_overlaps),
		CASE(peer_16_a_spare_that_is_too_small),
		CASE(peer_16_a_spare_that_shrank),
		CASE(a_target_longer_than_main),
		CASE(somebody_s_data_is_not_overwritten),
		CASE(a_spare_that_can_t_be_read_is_not_blank),
		CASE(peer_14_the_spare_of_another_main),
		CASE(uuid_opens_that_pair_only),
		CASE(format_spares_what_is_in_use),
		CASE(damage_is_told_with_what_would_go_on),
		CASE(peer_21_a_spare_with_larger_blocks_than_main_s),
		CASE(zoned_devices),
		CASE(peer_26_the_constructor_writes_nothing),
		CASE(what_was_written_after_the_load_is_refused_at_resume),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
