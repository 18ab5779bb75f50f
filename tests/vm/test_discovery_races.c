// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4/discovery: that looking is in nobody's way, whatever comes and goes meanwhile.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "discovery.h"
#include "sysfs.h"

static atomic_bool stop;

static void *scan_again_and_again(void *arg)
{
	unsigned int *scans = arg;

	while (!atomic_load(&stop)) {
		if (sysfs_put("discovery/scan", "1"))
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
	discovery_closed_pair(&pair, "");
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
	discovery_scan();
	discovery_is("spare", "ready");
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
	const time_t end = time(NULL) + 4 * times();
	unsigned int scans, rounds = 0;
	pthread_t thread;

	(void)state;
	WITHIN_SECONDS(300);
	discovery_closed_pair(&pair, "");
	assert_int_equal(sysfs_put("discovery/auto_scan", "1"), 0);
	shell("modprobe sd_mod && modprobe scsi_debug dev_size_mb=32");
	thread = begin_scans(&scans);
	for (; time(NULL) < end; rounds++) {
		disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
		disk_make(&others[1], "other2", &(struct disk_options){ .mib = DISCOVERY_MAIN_MIB });
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
	discovery_scan();
	discovery_is("spare", "ready");
}

static void the_module_goes_while_it_looks(void **state)
{
	unsigned int scans, i;
	pthread_t thread;

	(void)state;
	WITHIN_SECONDS(300);
	discovery_closed_pair(&pair, "");
	thread = begin_scans(&scans);
	for (i = 0; i < 10; i++) {
		usleep(i * 30000);
		shell("rmmod dm_remap && modprobe dm-remap auto_scan=%u", i % 2);
	}
	end_scans(thread);
	assert_true(scans > 0);
	put_file(SYSFS "/discovery/auto_scan", "0");
	discovery_scan();
	discovery_is("spare", "ready");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(devices_are_read_only_and_not_claimed),
		CASE(devices_come_and_go_while_they_are_read),
		CASE(the_module_goes_while_it_looks),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	shell("modprobe dm-remap");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
