// SPDX-License-Identifier: GPL-2.0
/*
 * Writes that main fails: redirected, and to nowhere but there; and what is read back afterwards,
 * through the target and straight from the slots.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pair.h"

#define MIB_SECTORS 2048

static struct pair pair;
#define oracle (&pair.oracle)

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

/* What the slot of @sector's block has for it, as oracle number; -2 if it has no slot. */
static int64_t number_in_slot(uint64_t sector)
{
	char data[SECTOR];
	uint8_t mask;
	uint32_t slot = spare_slot_of(pair.spare.path, sector / 8, &mask, NULL);

	if (slot == NO_SLOT || !(mask >> sector % 8 & 1))
		return -2;
	assert_int_equal(io_read(pair.spare.path, SLOT_SECTOR(slot) + sector % 8, data, 1), 0);
	return pattern_number(data, sector);
}

static void peer_01_02_a_failed_write_succeeds_and_is_active_at_once(void **state)
{
	struct status before, after;
	struct entry entry;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 1);
	before = pair_status(&pair);
	assert_string_equal(before.state, "ok");
	assert_int_equal(before.used, 0);

	assert_int_equal(oracle_write(oracle, 1000, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, 1000, 1), 0);
	assert_int_equal(number_in_slot(1000), 1);
	assert_true(pair_entry(&pair, 1000, &entry));
	assert_int_equal(entry.sector, 1000);
	assert_int_equal(entry.spare_mask, 1);
	assert_int_equal(entry.lost_mask, 0);

	/* Again and again: no more slots, no more errors of main. */
	after = pair_status(&pair);
	assert_true(after.write_errors > before.write_errors);
	assert_int_equal(oracle_write(oracle, 1000, 1, 0), 0);
	assert_int_equal(oracle_write(oracle, 1000, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, 1000, 1), 0);
	assert_int_equal(number_in_slot(1000), 3);
	assert_int_equal(pair_status(&pair).used, 1);
	assert_int_equal(pair_status(&pair).write_errors, after.write_errors);
	assert_int_equal(pair_status(&pair).sequence, after.sequence);
}

static void peer_03_a_failed_read_is_eio_and_never_data(void **state)
{
	char data[8 * SECTOR], filled[8 * SECTOR];
	int fd;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 2000, 16, 0), 0);
	disk_break(&pair.main, 2003, 1);

	assert_int_equal(oracle_read(oracle, 2003, 1), -EIO);
	assert_int_equal(oracle_read(oracle, 2000, 16), -EIO);
	assert_int_equal(oracle_read(oracle, 2000, 3), 0);
	assert_int_equal(oracle_read(oracle, 2004, 12), 0);
	assert_true(pair_status(&pair).read_errors > 0);

	/* Buffered: a page that could not be read does not become one of zeros. */
	fd = open("/dev/mapper/" NAME, O_RDONLY);
	memset(data, 0xee, sizeof(data));
	memset(filled, 0xee, sizeof(filled));
	assert_int_equal(pread(fd, data, sizeof(data), 2000 * SECTOR), -1);
	assert_int_equal(errno, EIO);
	assert_memory_equal(data, filled, sizeof(data));
	close(fd);

	/* When main reads again, nothing but the old data comes back. */
	disk_mend(&pair.main, 2003, 1);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	assert_int_equal(oracle_read(oracle, 2000, 16), 0);
}

static void a_read_of_unread_neighbours_in_a_moved_block_stays_on_main(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 800, 8, 0), 0);
	disk_break(&pair.main, 803, 1);
	assert_int_equal(oracle_write(oracle, 803, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, 800, 8), 0);
	/* The rest of the block is main's: if it fails there, nothing else may be given for it. */
	disk_break(&pair.main, 805, 1);
	assert_int_equal(oracle_read(oracle, 805, 1), -EIO);
	assert_int_equal(oracle_read(oracle, 803, 1), 0);
	assert_int_equal(oracle_write(oracle, 805, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, 800, 8), 0);
	assert_int_equal(pair_status(&pair).used, 1);
}

static void peer_04_slots_and_metadata_keep_off_each_other(void **state)
{
	unsigned int n, i;
	struct entry *entries;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 4096, 512);
	assert_int_equal(oracle_write(oracle, 4096, 512, 0), 0);
	n = pair_list(&pair, &entries);
	assert_int_equal(n, 64);
	for (i = 0; i < n; i++) {
		char data[SECTOR];

		assert_true(SLOT_SECTOR(entries[i].slot) + 8 <= pair.spare.sectors);
		io_read(pair.spare.path, SLOT_SECTOR(entries[i].slot), data, 1);
		assert_int_equal(pattern_number(data, entries[i].sector), 1);
	}
	free(entries);
	/* Commits after that, and repairs, leave the slots as they are, and the other way round. */
	assert_int_equal(pair_repair(&pair), 5);
	assert_int_equal(oracle_check(oracle, 4096, 512), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_int_equal(oracle_write(oracle, 4096, 512, 0), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	assert_int_equal(oracle_check(oracle, 4096, 512), 0);
}

/* A bio of @count sectors from @sector on, one of which is bad. */
static void write_around(uint64_t sector, uint32_t count, uint64_t bad)
{
	struct entry entry;

	disk_break(&pair.main, bad, 1);
	assert_int_equal(oracle_write(oracle, sector, count, 0), 0);
	if (!pair_entry(&pair, bad, &entry))
		fail_msg("sector %llu was not redirected", (unsigned long long)bad);
	assert_int_equal(entry.spare_mask, 1 << bad % 8);
	assert_int_equal(oracle_check(oracle, sector, count), 0);
}

static void peer_05_the_sector_that_failed_is_moved_and_no_other(void **state)
{
	static const uint32_t counts[] = { 2, 7, 8, 9, 63, 256, MIB_SECTORS };
	uint64_t at = 8192;
	unsigned int i, moved = 0;

	(void)state;
	pair_make(&pair, NULL);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t count = counts[i];

		write_around(at + i, count, at + i);
		write_around(at + 8192 + i, count, at + 8192 + i + count / 2);
		write_around(at + 16384 + i, count, at + 16384 + i + count - 1);
		moved += 3;
		at += 2 * count + 64;
		at -= at % 8;
	}
	assert_int_equal(pair_status(&pair).used, moved);
}

static void peer_06_every_sector_of_a_bio_is_looked_up(void **state)
{
	uint64_t sector;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(oracle_write(oracle, 16384, MIB_SECTORS, 0), 0);
	/* Sectors at odd places over several blocks, their state changing within blocks. */
	for (sector = 16385; sector < 16384 + MIB_SECTORS; sector += 37) {
		disk_break(&pair.main, sector, 1 + sector % 3);
		assert_int_equal(oracle_write(oracle, sector, 1 + sector % 3, 0), 0);
	}
	assert_int_equal(oracle_read(oracle, 16384, MIB_SECTORS), 0);
	for (sector = 16384; sector < 16384 + MIB_SECTORS - 64; sector += 61)
		assert_int_equal(oracle_read(oracle, sector, 17), 0);
	/* Writes across both places. */
	assert_int_equal(oracle_write(oracle, 16384, MIB_SECTORS, 0), 0);
	for (sector = 16390; sector < 16384 + MIB_SECTORS - 64; sector += 83)
		assert_int_equal(oracle_write(oracle, sector, 29, 0), 0);
	assert_int_equal(oracle_read(oracle, 16384, MIB_SECTORS), 0);
}

#define BURST 400

static void peer_07_each_of_a_burst_of_errors_is_redirected(void **state)
{
	struct entry *entries;
	unsigned int n, i;
	uint64_t sector;

	(void)state;
	pair_make(&pair, NULL);
	/* One bad sector in each of 400 blocks that are not neighbours: one slot for each. */
	for (i = 0; i < BURST; i++)
		disk_break(&pair.main, 20000 + i * 24 + i % 8, 1);
	for (sector = 20000; sector < 20000 + BURST * 24; sector += 1200)
		assert_int_equal(oracle_write(oracle, sector, 1200, 0), 0);
	n = pair_list(&pair, &entries);
	assert_int_equal(n, BURST);
	for (i = 0; i < n; i++) {
		assert_int_equal(entries[i].sector, 20000 + i * 24);
		assert_int_equal(entries[i].spare_mask, 1 << i % 8);
	}
	free(entries);
	assert_int_equal(pair_status(&pair).used, BURST);
	assert_int_equal(oracle_check(oracle, 20000, BURST * 24), 0);
	assert_true(spare_copies_equal(pair.spare.path));
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, 20000, BURST * 24), 0);
}

static void peer_09_a_block_has_one_slot_and_nothing_lies_beyond_the_end(void **state)
{
	char *data = io_buffer(SECTOR);
	uint32_t twice, sector;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 3000, 8);
	for (sector = 3000; sector < 3008; sector++)
		assert_int_equal(oracle_write(oracle, sector, 1, 0), 0);
	assert_int_equal(oracle_write(oracle, 2990, 32, 0), 0);
	assert_int_equal(pair_status(&pair).used, 1);
	assert_int_equal(spare_used(pair.spare.path, NULL, &twice), 1);
	assert_int_equal(twice, 0);

	disk_break(&pair.main, pair.length - 1, 1);
	assert_int_equal(oracle_write(oracle, pair.length - 1, 1, 0), 0);
	assert_int_equal(oracle_read(oracle, pair.length - 1, 1), 0);
	assert_int_equal(pwrite(oracle->fd, data, SECTOR, pair.length * SECTOR), -1);
	assert_int_equal(pair_status(&pair).used, 2);
	free(data);
}

static void fua_and_sync_writes_are_redirected(void **state)
{
	(void)state;
	pair_make(&pair, &(struct pair_options){ .main.cache_mib = 4, .spare.cache_mib = 4 });
	disk_break(&pair.main, 6000, 24);
	assert_int_equal(oracle_write(oracle, 6000, 8, RWF_DSYNC), 0);
	assert_int_equal(oracle_write(oracle, 6008, 8, RWF_SYNC), 0);
	assert_int_equal(oracle_write(oracle, 6004, 20, RWF_DSYNC), 0);
	assert_int_equal(fdatasync(oracle->fd), 0);
	assert_int_equal(oracle_read(oracle, 6000, 24), 0);
	assert_int_equal(pair_status(&pair).used, 3);
}

static void writes_of_many_pieces_are_redirected(void **state)
{
	/* Pieces that do not end where sectors end. */
	static const unsigned int lengths[] = { 512, 3584, 4096, 8192, 12288, 512, 3584 };
	struct iovec vecs[7];
	char *whole = io_buffer(64 * SECTOR), *at = whole;
	unsigned int i;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 7003, 50);
	for (i = 0; i < 64; i++)
		pattern_fill(whole + i * SECTOR, 7000 + i, ++oracle->issued[7000 + i]);
	for (i = 0; i < 7; i++) {
		vecs[i].iov_base = memcpy(io_buffer(lengths[i]), at, lengths[i]);
		vecs[i].iov_len = lengths[i];
		at += lengths[i];
	}
	assert_int_equal(pwritev(oracle->fd, vecs, 7, 7000 * SECTOR), at - whole);
	for (i = 0; i < (at - whole) / SECTOR; i++)
		oracle->acknowledged[7000 + i] = 1;
	assert_int_equal(oracle_read(oracle, 7000, 64), 0);
	for (i = 0; i < 7; i++)
		free(vecs[i].iov_base);
	free(whole);
}

static void a_redirection_raises_an_event(void **state)
{
	unsigned int tries;
	uint32_t before;
	int log;

	(void)state;
	pair_make(&pair, NULL);
	before = dm_event_nr(NAME);
	disk_break(&pair.main, 512, 1);
	assert_int_equal(oracle_write(oracle, 512, 1, 0), 0);
	WITHIN_SECONDS(20);
	assert_int_equal(dm_wait_event(NAME, before), 0);
	assert_true(dm_event_nr(NAME) > before);

	/* Without a change there is none. */
	before = dm_event_nr(NAME);
	for (tries = 0; tries < 10; tries++)
		assert_int_equal(oracle_write(oracle, 512, 1, 0), 0);
	usleep(400000);
	assert_int_equal(dm_event_nr(NAME), before);

	/* In the log too, though it is held back for a while after many others. */
	log = kmsg_open();
	disk_break(&pair.main, 1024, 512);
	for (tries = 0; tries < 64; tries++) {
		assert_int_equal(oracle_write(oracle, 1024 + 8 * tries, 1, 0), 0);
		if (kmsg_says(log, "remap dev="))
			break;
		usleep(100000);
	}
	assert_true(tries < 64);
	close(log);
}

static void medium_errors_of_scsi_are_eio(void **state)
{
	char device[16];
	int r;

	(void)state;
	scsi_make(device, sizeof(device), "dev_size_mb=64");
	pair_make_disks(&pair, NULL);
	snprintf(pair.main_path, sizeof(pair.main_path), "/dev/%s", device);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_write(oracle, 0, 64, 0), 0);
	/* The block layer's own code for them is ENODATA. */
	put_file("/sys/module/scsi_debug/parameters/medium_error_start", "32");
	put_file("/sys/module/scsi_debug/parameters/medium_error_count", "4");
	put_file("/sys/bus/pseudo/drivers/scsi_debug/opts", "2");
	r = oracle_read(oracle, 32, 8);
	put_file("/sys/bus/pseudo/drivers/scsi_debug/opts", "0");
	assert_int_equal(r, -EIO);
	assert_int_equal(pair_status(&pair).lost, 4);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	assert_int_equal(oracle_read(oracle, 32, 8), 0);
	assert_int_equal(pair_status(&pair).lost, 0);
	pair_close(&pair);
	scsi_end();
}

/* Whether the target offers to have zeros written; without that the block layer writes them. */
static void zeroing_is_offered(bool offered)
{
	shell("[ $(cat /sys/block/dm-$(dmsetup info -c --noheadings -o minor " NAME ")/queue/write_zeroes_max_bytes)"
	      " %s 0 ]", offered ? "-gt" : "-eq");
}

/* A disk that can't write zeros on its own, which it says only when it is asked to. */
static void zeroing_that_the_disk_refuses_is_not_its_medium_s(void **state)
{
	uint64_t range[2] = { 0, MIB_SECTORS * SECTOR };
	char device[16];
	struct status status;
	int fd, r;

	(void)state;
	/* The spare has to offer it, too. */
	scsi_make(device, sizeof(device), "dev_size_mb=64");
	pair_make_disks(&pair, NULL);
	shell("dmsetup create zeroing_main --table '0 65536 linear /dev/%s 0' && "
	      "dmsetup create zeroing_spare --table '0 65536 linear /dev/%s 65536'", device, device);
	strcpy(pair.main_path, "/dev/mapper/zeroing_main");
	strcpy(pair.spare_path, "/dev/mapper/zeroing_spare");
	pair.length = 65536;
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_write(oracle, MIB_SECTORS, 64, 0), 0);
	fd = open("/dev/mapper/" NAME, O_RDWR | O_DIRECT);
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, BLKZEROOUT, range), 0);
	zeroing_is_offered(true);
	put_file("/sys/module/scsi_debug/parameters/write_same_length", "8");
	r = ioctl(fd, BLKZEROOUT, range);
	put_file("/sys/module/scsi_debug/parameters/write_same_length", "65535");
	close(fd);
	assert_int_equal(r, 0);
	zeroing_is_offered(false);
	status = pair_status(&pair);
	assert_int_equal(status.write_errors, 0);
	assert_int_equal(status.used, 0);
	assert_int_equal(oracle_check(oracle, MIB_SECTORS, 64), 0);
	pair_close(&pair);
	shell("dmsetup remove zeroing_main && dmsetup remove zeroing_spare");
	scsi_end();
}

static void a_disk_that_is_gone_costs_no_slots(void **state)
{
	char device[16], attribute[128];
	int r;

	(void)state;
	scsi_make(device, sizeof(device), "dev_size_mb=64");
	pair_make_disks(&pair, NULL);
	snprintf(pair.main_path, sizeof(pair.main_path), "/dev/%s", device);
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_int_equal(oracle_write(oracle, 0, 64, 0), 0);
	/* 6.1 reports it as it does a bad sector. */
	snprintf(attribute, sizeof(attribute), "/sys/block/%s/device/state", device);
	put_file(attribute, "offline");
	r = oracle_write(oracle, 0, 8, 0);
	put_file(attribute, "running");
	assert_true(r < 0);
	assert_int_equal(pair_status(&pair).used, 0);
	assert_int_equal(dm_message(NAME, "resume_remap", NULL, 0), 0);
	assert_string_equal(pair_status(&pair).state, "ok");
	assert_int_equal(oracle_check(oracle, 0, 64), 0);
	pair_close(&pair);
	scsi_end();
}

/* Each thread has every fourth run of 16 sectors, so that neighbours share blocks' regions. */
#define WRITERS 4
#define AREA 4096
#define AREA_BEGIN 65536

struct writer {
	pthread_t thread;
	unsigned int number;
	int wrong;
};

static void *write_and_check(void *argument)
{
	struct writer *writer = argument;
	unsigned int seed = writer->number, i;

	for (i = 0; i < 250; i++) {
		/* Not multiples of blocks: two threads meet in one block, never in one sector. */
		uint64_t run = rand_r(&seed) % (AREA / 20 / WRITERS) * WRITERS + writer->number;
		uint64_t sector = AREA_BEGIN + run * 20 + rand_r(&seed) % 8;
		uint32_t count = 1 + rand_r(&seed) % 12;

		if (rand_r(&seed) % 3)
			writer->wrong += !!oracle_write(oracle, sector, count, 0);
		else
			writer->wrong += !!oracle_check(oracle, sector, count);
	}
	return NULL;
}

static void peer_24_concurrent_writers_over_a_bad_area_lose_nothing(void **state)
{
	struct writer writers[WRITERS] = { 0 };
	uint32_t twice;
	unsigned int i;

	(void)state;
	/* Writes fail there, and reads do not: what is still on main can be told from what is not. */
	pair_make(&pair, &(struct pair_options){ .wrap_main = true });
	assert_int_equal(oracle_write(oracle, AREA_BEGIN, AREA, 0), 0);
	pair_wrap(&pair, WRAPPED_MAIN, AREA_BEGIN + 1003, 2000, "flakey error_writes");
	for (i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		pthread_create(&writers[i].thread, NULL, write_and_check, &writers[i]);
	}
	for (i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].wrong, 0);
	}
	assert_int_equal(oracle_check(oracle, AREA_BEGIN, AREA), 0);
	assert_true(pair_status(&pair).used > 100);
	assert_int_equal(spare_used(pair.spare.path, NULL, &twice), pair_status(&pair).used);
	assert_int_equal(twice, 0);
	pair_reopen(&pair);
	assert_int_equal(oracle_check(oracle, AREA_BEGIN, AREA), 0);
}

static atomic_bool stop;

static void *write_beside(void *argument)
{
	struct writer *writer = argument;

	while (!stop)
		writer->wrong += !!oracle_write(oracle, 1008 + 2 * writer->number, 2, 0);
	return NULL;
}

/* Where writes are read back there is always one that waits for that. */
static void neither_messages_nor_the_scanner_wait_for_writes_to_end(void **state)
{
	struct writer writers[WRITERS] = { 0 };
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(120);
	pair_make_disks(&pair, &(struct pair_options){ .main.mib = 16, .wrap_main = true });
	assert_int_equal(pair_open(&pair, "4 scan_duty_ppm 1000000 scan_chunk_kib 16"), 0);
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	pair_wrap(&pair, WRAPPED_MAIN, 1008, 8, "delay 2");
	for (i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		pthread_create(&writers[i].thread, NULL, write_beside, &writers[i]);
	}
	assert_int_equal(dm_message(NAME, "repair", NULL, 0), 0);
	assert_int_equal(dm_message(NAME, "remap 3000", NULL, 0), 0);
	disk_break(&pair.main, 0, 1);
	assert_int_equal(dm_message(NAME, "scan start", NULL, 0), 0);
	while (!pair_status(&pair).lost)
		usleep(100000);
	stop = true;
	for (i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].wrong, 0);
	}
	assert_int_equal(oracle_check(oracle, 1000, 16), 0);
}

static void an_ext4_over_a_bad_area_is_whole(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	/* A file for orphans would be made now, in what is about to break, and read by each mount. */
	shell("mkfs.ext4 -q -b 4096 -O ^orphan_file /dev/mapper/" NAME);
	mkdir("/mnt/ext4", 0755);
	shell("mount -t ext4 /dev/mapper/" NAME " /mnt/ext4");
	disk_break(&pair.main, 8192, pair.length - 8192);
	shell("cd /mnt/ext4 && for i in 1 2 3 4; do "
	      "dd if=/dev/urandom of=f$i bs=64k count=60 2>/dev/null || exit 1; done; "
	      "sync && md5sum f* >/tmp/sums");
	shell("umount /mnt/ext4");
	assert_true(pair_status(&pair).used > 100);
	shell("echo 3 >/proc/sys/vm/drop_caches; mount -t ext4 /dev/mapper/" NAME " /mnt/ext4 "
	      "&& cd /mnt/ext4 && md5sum -c -s /tmp/sums");
	shell("umount /mnt/ext4");
	/* It reads what was never written, too. */
	disk_mend(&pair.main, 8192, pair.length - 8192);
	shell("e2fsck -fn /dev/mapper/" NAME " >/dev/null 2>&1");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(a_redirection_raises_an_event),
		CASE(peer_01_02_a_failed_write_succeeds_and_is_active_at_once),
		CASE(peer_03_a_failed_read_is_eio_and_never_data),
		CASE(a_read_of_unread_neighbours_in_a_moved_block_stays_on_main),
		CASE(peer_04_slots_and_metadata_keep_off_each_other),
		CASE(peer_05_the_sector_that_failed_is_moved_and_no_other),
		CASE(peer_06_every_sector_of_a_bio_is_looked_up),
		CASE(peer_07_each_of_a_burst_of_errors_is_redirected),
		CASE(peer_09_a_block_has_one_slot_and_nothing_lies_beyond_the_end),
		CASE(fua_and_sync_writes_are_redirected),
		CASE(writes_of_many_pieces_are_redirected),
		CASE(zeroing_that_the_disk_refuses_is_not_its_medium_s),
		CASE(a_disk_that_is_gone_costs_no_slots),
		CASE(medium_errors_of_scsi_are_eio),
		CASE(peer_24_concurrent_writers_over_a_bad_area_lose_nothing),
		CASE(neither_messages_nor_the_scanner_wait_for_writes_to_end),
		CASE(an_ext4_over_a_bad_area_is_whole),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
