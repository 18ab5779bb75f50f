// SPDX-License-Identifier: GPL-2.0
/*
 * Being a block device between others: flushes, discards, block sizes, limits, partitions below,
 * a main that fails now and then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <scsi/sg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	dm_remove("part");
	return 0;
}

/* A number or word of the target's /sys/block/dm-N/queue/. */
static void queue_attribute(const char *name, char *text, unsigned int size)
{
	char path[128], device[64];

	shell("basename $(readlink -f /dev/mapper/" NAME ") >/tmp/dm_name; "
	      "[ \"$(cat /tmp/dm_name)\" != " NAME " ] || "
	      "for d in /sys/block/dm-*; do [ \"$(cat $d/dm/name)\" != " NAME " ] || "
	      "basename $d >/tmp/dm_name; done");
	get_file("/tmp/dm_name", device, sizeof(device));
	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", device, name);
	get_file(path, text, size);
}

static unsigned long queue_number(const char *name)
{
	char text[64];

	queue_attribute(name, text, sizeof(text));
	return strtoul(text, NULL, 10);
}

static void peer_20_flushes_reach_main_and_a_written_spare(void **state)
{
	uint64_t on_main, on_spare;
	char text[64];
	int i;

	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.cache_mib = 4, .spare.cache_mib = 4 });
	queue_attribute("write_cache", text, sizeof(text));
	assert_string_equal(text, "write back");
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	/* What went before is not known at first. */
	assert_int_equal(fdatasync(oracle->fd), 0);

	on_main = disk_flushes(&pair.main);
	on_spare = disk_flushes(&pair.spare);
	for (i = 0; i < 5; i++) {
		assert_int_equal(oracle_write(oracle, 5000, 8, 0), 0);
		assert_int_equal(fdatasync(oracle->fd), 0);
	}
	assert_int_equal(disk_flushes(&pair.main), on_main + 5);
	assert_int_equal(disk_flushes(&pair.spare), on_spare);

	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(disk_flushes(&pair.spare), on_spare);
	assert_int_equal(fdatasync(oracle->fd), 0);
	assert_int_equal(disk_flushes(&pair.spare), on_spare + 1);
	assert_int_equal(disk_flushes(&pair.main), on_main + 6);
	assert_int_equal(fdatasync(oracle->fd), 0);
	assert_int_equal(disk_flushes(&pair.spare), on_spare + 1);

	/* The account is kept over a reload. */
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	on_spare = disk_flushes(&pair.spare);
	assert_int_equal(fdatasync(oracle->fd), 0);
	assert_int_equal(disk_flushes(&pair.spare), on_spare + 1);
}

static void a_failed_flush_is_told(void **state)
{
	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.cache_mib = 4, .spare.cache_mib = 4,
						 .wrap_main = true, .wrap_spare = true });
	assert_int_equal(fdatasync(oracle->fd), 0);
	/* A flush goes to each part of the wrapped disk. */
	pair_wrap(&pair, WRAPPED_MAIN, 60000, 8, "flakey error_writes");
	assert_int_equal(fdatasync(oracle->fd), -1);
	pair_wrap(&pair, WRAPPED_MAIN, 1000, 8, "flakey error_writes");
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
	assert_int_equal(fdatasync(oracle->fd), 0);

	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	pair_wrap(&pair, WRAPPED_SPARE, 60000, 8, "flakey error_writes");
	assert_int_equal(fdatasync(oracle->fd), -1);
	assert_string_equal(pair_status(&pair).state, "metadata_ro");
	pair_wrap(&pair, WRAPPED_SPARE, 0, 0, "linear");
	assert_int_equal(pair_repair(&pair), 5);
	assert_string_equal(pair_status(&pair).state, "ok");
	/* Once more for those who did not hear it. */
	assert_int_equal(fdatasync(oracle->fd), -1);
	assert_int_equal(fdatasync(oracle->fd), 0);
	assert_int_equal(oracle_read(oracle, 1000, 8), 0);
}

/* Sectors [1003, 1011) hold older bytes on main than in their slots. */
static void redirect_with_old_bytes_on_main(void)
{
	assert_int_equal(oracle_write(oracle, 900, 300, 0), 0);
	pair_wrap(&pair, WRAPPED_MAIN, 1003, 8, "flakey error_writes");
	assert_int_equal(oracle_write(oracle, 1003, 8, 0), 0);
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
	assert_int_equal(pair_status(&pair).used, 2);
	assert_int_equal(oracle_read(oracle, 900, 300), 0);
}

/* Four sectors that could not be read once. */
static void lose(uint64_t sector)
{
	pair_wrap(&pair, WRAPPED_MAIN, sector, 4, "error");
	assert_int_equal(oracle_read(oracle, sector, 4), -EIO);
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
	assert_int_equal(pair_status(&pair).lost, 4);
}

static void a_discard_does_not_bring_old_bytes_back(void **state)
{
	uint64_t range[2] = { 960 * SECTOR, 128 * SECTOR };
	uint64_t sector;
	char data[SECTOR];

	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.discard = true, .wrap_main = true });
	assert_true(queue_number("discard_max_bytes") > 0);
	redirect_with_old_bytes_on_main();
	lose(1040);
	assert_int_equal(ioctl(oracle->fd, BLKDISCARD, range), 0);
	/* Nor does it make readable what is lost. */
	assert_int_equal(oracle_read(oracle, 1040, 1), -EIO);
	for (sector = 960; sector < 1088; sector++) {
		int64_t number;

		if (sector >= 1040 && sector < 1044)
			continue;
		assert_int_equal(io_read("/dev/mapper/" NAME, sector, data, 1), 0);
		number = pattern_number(data, sector);
		if (sector >= 1003 && sector < 1011)
			assert_true(number == 0 || number == 2);
		else
			assert_int_equal(number, 0); /* it did reach main */
	}
	assert_int_equal(oracle_read(oracle, 900, 60), 0);
	assert_int_equal(oracle_read(oracle, 1088, 100), 0);
	assert_int_equal(oracle_write(oracle, 960, 128, 0), 0);
	assert_int_equal(oracle_read(oracle, 900, 300), 0);
}

static void a_discard_is_offered_as_main_does(void **state)
{
	uint64_t range[2] = { 0, 64 * SECTOR };

	(void)state;
	pair_make(&pair, &(struct pair_options){ .spare.discard = true });
	assert_int_equal(queue_number("discard_max_bytes"), 0);
	assert_int_equal(ioctl(oracle->fd, BLKDISCARD, range), -1);
	assert_int_equal(errno, EOPNOTSUPP);
}

static void zeroing_zeroes_slots_too(void **state)
{
	(void)state;
	pair_make_disks(&pair, &(struct pair_options){ .wrap_main = true });
	/* Both can do it: files behind loop devices. */
	shell("modprobe loop; truncate -s 64M /dev/shm/main && truncate -s 32M /dev/shm/spare && "
	      "losetup /dev/loop0 /dev/shm/main && losetup /dev/loop1 /dev/shm/spare");
	strcpy(pair.main.path, "/dev/loop0");
	strcpy(pair.spare_path, "/dev/loop1");
	pair_wrap(&pair, WRAPPED_MAIN, 0, 0, "linear");
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_true(queue_number("write_zeroes_max_bytes") > 0);
	redirect_with_old_bytes_on_main();
	lose(1040);
	/* It is a write: what was lost is there again. */
	assert_int_equal(fallocate(oracle->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   960 * SECTOR, 128 * SECTOR), 0);
	oracle_forget(oracle, 960, 128);
	assert_int_equal(oracle_read(oracle, 900, 300), 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 900, 300), 0);
	pair_close(&pair);
	dm_remove(WRAPPED_MAIN);
	shell("losetup -d /dev/loop0; losetup -d /dev/loop1; rm /dev/shm/main /dev/shm/spare");
}

static void logical_blocks(unsigned int main_bytes, unsigned int spare_bytes)
{
	const uint32_t block = main_bytes / SECTOR;
	char *data = io_buffer(4096);
	struct entry entry;

	pair_make(&pair, &(struct pair_options){ .main.block_bytes = main_bytes,
						 .spare.block_bytes = spare_bytes });
	assert_int_equal(queue_number("logical_block_size"), main_bytes);
	assert_int_equal(pwrite(oracle->fd, data, SECTOR, 0), -1);
	assert_int_equal(errno, EINVAL);
	/* Whole logical blocks move. */
	disk_break(&pair.main, 4000 + block, 1);
	assert_int_equal(oracle_write(oracle, 4000 - 2 * block, 8 * block, 0), 0);
	assert_int_equal(oracle_read(oracle, 4000 - 2 * block, 8 * block), 0);
	assert_true(pair_entry(&pair, 4000 + block, &entry));
	assert_int_equal(entry.spare_mask, ((1u << block) - 1) << (block % 8));
	assert_int_equal(pair_status(&pair).used, 1);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 4000 - 2 * block, 8 * block), 0);
	assert_int_equal(pair_repair(&pair), 5);
	assert_true(spare_copies_equal(pair.spare.path));
	pair_end(&pair);
	free(data);
}

static void peer_21_logical_blocks_of_512_to_4096_work(void **state)
{
	(void)state;
	logical_blocks(4096, 4096);
	logical_blocks(4096, 512);
	logical_blocks(2048, 1024);
}

static void limits_are_those_of_both_devices(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	put_file("/sys/block/spare/queue/max_sectors_kb", "64");
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(queue_number("logical_block_size"), 512);
	assert_true(queue_number("max_sectors_kb") <= 64);
	disk_break(&pair.main, 4000, 2048);
	assert_int_equal(oracle_write(oracle, 3000, 4096, 0), 0);
	assert_int_equal(oracle_write(oracle, 3000, 4096, 0), 0);
	assert_int_equal(oracle_read(oracle, 3000, 4096), 0);
}

static void a_main_that_ends_within_a_block_is_whole(void **state)
{
	const uint64_t sectors = 100003;
	struct entry entry;
	char line[128];

	(void)state;
	pair_make_disks(&pair, NULL);
	snprintf(line, sizeof(line), "0 %llu linear %s 0", (unsigned long long)sectors,
		 pair.main.path);
	assert_int_equal(dm_create("part", line), 0);
	strcpy(pair.main_path, "/dev/mapper/part");
	pair.length = sectors;
	assert_int_equal(pair_open(&pair, ""), 0);
	disk_break(&pair.main, sectors - 5, 40);
	assert_int_equal(oracle_write(oracle, sectors - 20, 20, 0), 0);
	assert_int_equal(oracle_read(oracle, sectors - 20, 20), 0);
	assert_true(pair_entry(&pair, sectors - 1, &entry));
	assert_int_equal(entry.spare_mask, 0x07);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, sectors - 20, 20), 0);
	pair_close(&pair);
}

static void peer_23_a_partition_is_a_main_of_its_own_size(void **state)
{
	struct blkpg_partition partition = { .start = 20000 * SECTOR, .length = 50000 * SECTOR,
					     .pno = 1 };
	struct blkpg_ioctl_arg argument = { .op = BLKPG_ADD_PARTITION,
					    .datalen = sizeof(partition), .data = &partition };
	struct copy copies[COPIES];
	struct entry entry;
	char data[SECTOR];
	int fd;

	(void)state;
	pair_make_disks(&pair, NULL);
	fd = open(pair.main.path, O_RDONLY);
	assert_int_equal(ioctl(fd, BLKPG, &argument), 0);
	close(fd);
	strcat(pair.main_path, "1");
	pair.length = 50001;
	assert_int_equal(pair_open(&pair, ""), -EINVAL);
	pair.length = 50000;
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(spare_copies(pair.spare.path, copies), 5);
	assert_int_equal(copies[0].main_sectors, 50000);
	/* Errors are named by the disk's sectors, redirections by the partition's. */
	disk_break(&pair.main, 20000 + 3001, 2);
	assert_int_equal(oracle_write(oracle, 2990, 30, 0), 0);
	assert_int_equal(pair_status(&pair).used, 1);
	assert_true(pair_entry(&pair, 3001, &entry));
	assert_int_equal(entry.spare_mask, 0x06);
	assert_int_equal(oracle_read(oracle, 2990, 30), 0);
	assert_int_equal(io_read(pair.main.path, 20000 + 2995, data, 1), 0);
	assert_int_equal(pattern_number(data, 2995), 1);
	pair_reopen(&pair);
	assert_int_equal(oracle_read(oracle, 2990, 30), 0);
	pair_close(&pair);
}

static void nowait_gets_an_answer_and_never_wrong_data(void **state)
{
	unsigned int i, done = 0;
	int r;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 50);
	for (i = 0; i < 200; i++) {
		r = oracle_write(oracle, 960 + i, 8, RWF_NOWAIT);
		if (r && r != -EAGAIN && r != -EOPNOTSUPP)
			fail_msg("NOWAIT ended with %d", r);
		done += !r;
	}
	assert_true(done > 0);
	assert_int_equal(oracle_write(oracle, 960, 200, 0), 0);
	assert_int_equal(oracle_read(oracle, 960, 200), 0);
}

/* Writers for a while, each with sectors of its own. */
#define FLAKEY_SECTORS 4096
#define FLAKEY_SECONDS 3

struct writer {
	pthread_t thread;
	unsigned int seed;
	atomic_bool stop;
	int failed, wrong;
};

static void *write_for_a_while(void *argument)
{
	struct writer *writer = argument;
	const uint64_t begin = writer->seed * FLAKEY_SECTORS / 2;

	while (!writer->stop) {
		uint32_t count = 1 + rand_r(&writer->seed) % 64;
		uint64_t sector = begin + rand_r(&writer->seed) % (FLAKEY_SECTORS / 2 - count);

		writer->failed += !!oracle_write(oracle, sector, count, 0);
		writer->wrong += !!oracle_read(oracle, sector, count);
	}
	return NULL;
}

static void a_flakey_main_is_not_noticed(void **state)
{
	struct writer writers[2] = { { .seed = 0 }, { .seed = 1 } };
	char line[128];
	int i;

	(void)state;
	pair_make(&pair, &(struct pair_options){ .wrap_main = true });
	snprintf(line, sizeof(line), "0 %llu flakey %s 0 1 1 1 error_writes",
		 (unsigned long long)pair.main.sectors, pair.main.path);
	assert_int_equal(dm_reload(WRAPPED_MAIN, line), 0);
	for (i = 0; i < 2; i++)
		pthread_create(&writers[i].thread, NULL, write_for_a_while, &writers[i]);
	sleep(FLAKEY_SECONDS * times());
	for (i = 0; i < 2; i++) {
		writers[i].stop = true;
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].failed, 0);
		assert_int_equal(writers[i].wrong, 0);
	}
	assert_true(pair_status(&pair).used > 0);
	assert_int_equal(oracle_check(oracle, 0, FLAKEY_SECTORS), 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, 0, FLAKEY_SECTORS), 0);
	assert_true(spare_copies_equal(pair.spare.path));
}

static void commands_do_not_go_past_the_redirections(void **state)
{
	unsigned char inquiry[6] = { 0x12, 0, 0, 0, 96, 0 }, answer[96], sense[32];
	struct sg_io_hdr command = { .interface_id = 'S', .dxfer_direction = SG_DXFER_FROM_DEV,
				     .cmd_len = 6, .cmdp = inquiry, .dxfer_len = 96,
				     .dxferp = answer, .mx_sb_len = 32, .sbp = sense,
				     .timeout = 5000 };
	char device[16];
	int fd;

	(void)state;
	scsi_make(device, sizeof(device), "dev_size_mb=64");
	pair_make_disks(&pair, NULL);
	snprintf(pair.main_path, sizeof(pair.main_path), "/dev/%s", device);
	fd = open(pair.main_path, O_RDWR);
	assert_int_equal(ioctl(fd, SG_IO, &command), 0);
	close(fd);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(ioctl(oracle->fd, SG_IO, &command), -1);
	pair_close(&pair);
	scsi_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(peer_20_flushes_reach_main_and_a_written_spare),
		CASE(a_failed_flush_is_told),
		CASE(a_discard_does_not_bring_old_bytes_back),
		CASE(a_discard_is_offered_as_main_does),
		CASE(zeroing_zeroes_slots_too),
		CASE(peer_21_logical_blocks_of_512_to_4096_work),
		CASE(limits_are_those_of_both_devices),
		CASE(a_main_that_ends_within_a_block_is_whole),
		CASE(peer_23_a_partition_is_a_main_of_its_own_size),
		CASE(nowait_gets_an_answer_and_never_wrong_data),
		CASE(a_flakey_main_is_not_noticed),
		CASE(commands_do_not_go_past_the_redirections),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
