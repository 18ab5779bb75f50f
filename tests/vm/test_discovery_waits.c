// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/dm-remap-v4/discovery: when it looks by itself, and what it does about devices that do
 * not answer. All of it waits more than it works.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "discovery.h"
#include "sysfs.h"

#define HANGING 12

static void nothing_is_looked_for_by_loading(void **state)
{
	char text[16];

	(void)state;
	shell("rmmod dm_remap");
	discovery_closed_pair(&pair, "");
	shell("rmmod dm_remap && modprobe dm-remap");
	get_file(SYSFS "/discovery/auto_scan", text, sizeof(text));
	assert_string_equal(text, "1");
	assert_int_equal(sysfs_number("discovery/last_scan"), 0);
	sleep(5);
	assert_int_equal(sysfs_number("discovery/last_scan"), 0);
	assert_string_equal(discovery_text("devices", 4096), "");
	assert_string_equal(discovery_text("pairs", 4096), "");
}

static void what_comes_is_found_if_that_is_wanted(void **state)
{
	long long last;

	(void)state;
	discovery_closed_pair(&pair, "");
	discovery_scan();
	assert_int_equal(sysfs_put("discovery/auto_scan", "1"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = DISCOVERY_MAIN_MIB });
	assert_true(discovery_becomes("spare", "ambiguous", 15));
	disk_end(&others[0]);
	others[0].name[0] = 0;
	assert_true(discovery_becomes("spare", "ready", 15));
	assert_int_equal(pair_open(&pair, ""), 0);
	assert_true(discovery_becomes("spare", "active", 15));
	pair_close(&pair);
	assert_true(discovery_becomes("spare", "ready", 15));
	/* Then nothing changes, so nothing is read. */
	sleep(8);
	last = sysfs_number("discovery/last_scan");
	sleep(5);
	assert_int_equal(sysfs_number("discovery/last_scan"), last);
	assert_int_equal(sysfs_put("discovery/auto_scan", "0"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = DISCOVERY_MAIN_MIB });
	assert_false(discovery_becomes("spare", "ambiguous", 6));
	assert_int_equal(sysfs_number("discovery/last_scan"), last);
	/* What came meanwhile is found when it is wanted again; here by the module's parameter. */
	put_file("/sys/module/dm_remap/parameters/auto_scan", "1");
	assert_int_equal(sysfs_number("discovery/auto_scan"), 1);
	assert_true(discovery_becomes("spare", "ambiguous", 15));
}

/* Their disks are there before, of size 0: nothing announces them when they get one. */
static void a_loop_device_set_up_late_is_found(void **state)
{
	(void)state;
	discovery_closed_pair(&pair, "");
	shell("modprobe loop && mkdir -p /dev/shm && { grep -q /dev/shm /proc/mounts || "
	      "mount -t tmpfs none /dev/shm; } && dd if=%s of=/dev/shm/spare bs=1M 2>/dev/null",
	      pair.spare.path);
	disk_end(&pair.spare);
	memset(&pair.spare, 0, sizeof(pair.spare));
	discovery_scan();
	assert_int_equal(sysfs_put("discovery/auto_scan", "1"), 0);
	sleep(3);
	assert_string_equal(discovery_text("devices", 4096), "");
	shell("losetup /dev/loop3 /dev/shm/spare");
	assert_true(discovery_becomes("loop3", "ready", 15));
	shell("losetup -d /dev/loop3 && rm /dev/shm/spare");
	assert_true(discovery_becomes("loop3", "", 15));
}

/* The device is not new any more when it can be read at last. */
static void what_was_not_ready_is_looked_at_again(void **state)
{
	const struct pair_options options = { .main.mib = DISCOVERY_MAIN_MIB, .wrap_spare = true };
	unsigned int tries;
	long long last;

	(void)state;
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	discovery_scan();
	last = sysfs_number("discovery/last_scan");
	sleep(1);
	assert_int_equal(dm_suspend(WRAPPED_SPARE), 0);
	assert_int_equal(sysfs_put("discovery/auto_scan", "1"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	for (tries = 0; tries < 150 && sysfs_number("discovery/last_scan") == last; tries++)
		usleep(100000);
	assert_null(strstr(discovery_text("devices", 4096), "dm-"));
	assert_int_equal(dm_resume(WRAPPED_SPARE), 0);
	for (tries = 0; tries < 150 && !strstr(discovery_text("devices", 4096), "dm-"); tries++)
		usleep(100000);
	assert_non_null(strstr(discovery_text("devices", 4096), "dm-"));
}

static void a_suspended_device_does_not_stop_it(void **state)
{
	const struct pair_options options = { .main.mib = DISCOVERY_MAIN_MIB,
					      .wrap_main = true, .wrap_spare = true };
	struct timespec begin, end;

	(void)state;
	WITHIN_SECONDS(120);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	assert_int_equal(dm_suspend(WRAPPED_SPARE), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	discovery_scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - begin.tv_sec < 8);
	/* The disk below is read, and has the same spare; both of its mains fit. */
	discovery_is("spare", "ambiguous");
	assert_null(strstr(discovery_text("devices", 4096), "dm-"));
	assert_int_equal(dm_resume(WRAPPED_SPARE), 0);
	discovery_scan();
	assert_non_null(strstr(discovery_text("devices", 4096), "dm-"));
}

/* A scan that is ended by a signal @usec after it was begun. */
static void scan_is_interrupted(unsigned int usec)
{
	struct timespec begin, end;
	pid_t child = fork();
	int status;

	if (!child) {
		sysfs_put("discovery/scan", "1");
		_exit(0);
	}
	usleep(usec);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	kill(child, SIGTERM);
	assert_int_equal(waitpid(child, &status, 0), child);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	assert_true(end.tv_sec - begin.tv_sec < 3);
}

static void a_device_that_hangs_is_passed_over(void **state)
{
	const struct pair_options options = { .main.mib = DISCOVERY_MAIN_MIB,
					      .wrap_main = true, .wrap_spare = true };
	struct timespec begin, end;
	int kmsg;

	(void)state;
	WITHIN_SECONDS(200);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	discovery_copy_headers(pair.spare.path, others[0].path, 0);
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 25000");
	kmsg = kmsg_open();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	scan_is_interrupted(2000000);
	/* It has its time, but not more of it for having been interrupted. */
	discovery_scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 9, 13);
	discovery_is("other", "ambiguous");
	assert_true(kmsg_says(kmsg, "no_answer device=dm-"));
	/* A suspend has dm-delay give up the old reads. */
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 25000");
	sleep(1);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	discovery_scan();
	assert_true(kmsg_says(kmsg, "no_answer device=dm-"));
	discovery_is("other", "ambiguous");
	/* It is not waited for again. */
	discovery_scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 9, 18);
	discovery_is("spare", "ambiguous");
	/* The module waits for the read that is under way, and for that alone. */
	shell("rmmod dm_remap && modprobe dm-remap auto_scan=0");
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range(end.tv_sec - begin.tv_sec, 20, 45);
	close(kmsg);
}

/* Each of its five reads takes a second; one of them is under way when the scan is begun again. */
static void an_interrupted_scan_hides_nothing_from_the_next(void **state)
{
	const struct pair_options options = { .main.mib = DISCOVERY_MAIN_MIB, .wrap_spare = true };

	(void)state;
	WITHIN_SECONDS(200);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 1000");
	scan_is_interrupted(500000);
	discovery_scan();
	assert_non_null(strstr(discovery_text("devices", 4096), "dm-"));
}

/* So many that hang leave no place for the others, unless a place is freed when nobody waits any more. */
static void many_devices_that_hang_hide_no_other(void **state)
{
	struct timespec begin, end;
	unsigned int i;

	(void)state;
	WITHIN_SECONDS(400);
	discovery_closed_pair(&pair, "");
	disk_make(&others[0], "slow", &(struct disk_options){ .mib = 32 });
	for (i = 0; i < HANGING; i++)
		shell("dmsetup create hangs%u --table '0 65536 delay /dev/slow 0 60000'", i);
	disk_make(&others[1], "other", &(struct disk_options){ .mib = 32 });
	discovery_copy_headers(pair.spare.path, others[1].path, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	discovery_scan();
	clock_gettime(CLOCK_MONOTONIC, &end);
	discovery_is("spare", "ambiguous");
	discovery_is("other", "ambiguous");
	/* Eight at a time, ten seconds each; then none of them is waited for. */
	assert_in_range(end.tv_sec - begin.tv_sec, 19, 28);
	discovery_scan();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_in_range(begin.tv_sec - end.tv_sec, 0, 8);
	discovery_is("other", "ambiguous");
	/* A suspend has dm-delay give up what it holds. */
	for (i = 0; i < HANGING; i++)
		shell("dmsetup suspend hangs%u && dmsetup resume hangs%u && dmsetup remove hangs%u", i, i, i);
}

/* How often discovery looked within so many seconds, as far as a second tells. */
static unsigned int scans_within(unsigned int seconds)
{
	long long last = sysfs_number("discovery/last_scan"), now;
	unsigned int scans = 0, tries;

	for (tries = 0; tries < 10 * seconds; tries++) {
		usleep(100000);
		now = sysfs_number("discovery/last_scan");
		scans += now != last;
		last = now;
	}
	return scans;
}

/* Its five reads take 15 s, which is past the time it is waited for. */
static void what_answers_late_is_looked_at_once_more(void **state)
{
	const struct pair_options options = { .main.mib = DISCOVERY_MAIN_MIB, .wrap_spare = true };
	unsigned int scans;

	(void)state;
	WITHIN_SECONDS(500);
	pair_make_disks(&pair, &options);
	assert_int_equal(pair_open(&pair, ""), 0);
	pair_close(&pair);
	discovery_scan();
	assert_non_null(strstr(discovery_text("devices", 4096), "dm-"));
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 3000");
	assert_int_equal(sysfs_put("discovery/auto_scan", "1"), 0);
	disk_make(&others[0], "other", &(struct disk_options){ .mib = 32 });
	/* For the change, and one for the late answer, which is late again. */
	scans = scans_within(60);
	print_message("%u scans\n", scans);
	assert_in_range(scans, 2, 4);
	assert_null(strstr(discovery_text("devices", 4096), "dm-"));
	/* A disk that is always slow is not read for ever. */
	assert_int_equal(scans_within(60), 0);
	/* It is slow once only: what it says at last brings it to the list. */
	pair_wrap(&pair, WRAPPED_SPARE, 0, pair.spare.sectors, "delay 60000");
	disk_end(&others[0]);
	others[0].name[0] = 0;
	shell("dmsetup create slow --table '0 65536 delay %s 0 300'", pair.main.path);
	sleep(25);
	assert_null(strstr(discovery_text("devices", 4096), "dm-"));
	assert_int_equal(scans_within(10), 0);
	/* What a signal has ended meanwhile is no late answer. */
	scan_is_interrupted(500000);
	assert_int_equal(scans_within(10), 0);
	pair_wrap(&pair, WRAPPED_SPARE, 0, 0, "linear");
	scans = scans_within(20);
	assert_int_equal(scans, 1);
	assert_non_null(strstr(discovery_text("devices", 4096), "dm-"));
	shell("dmsetup remove slow");
}

/*
 * A request-based device that is suspended keeps what is sent to it. It may not be possible to remove it
 * while it is looked at; but to try must not hang.
 */
static void a_request_based_device_that_is_suspended_can_be_resumed(void **state)
{
	char name[32];
	pid_t child;
	int status;

	(void)state;
	WITHIN_SECONDS(200);
	discovery_closed_pair(&pair, "");
	scsi_make(name, sizeof(name), "dev_size_mb=32");
	shell("modprobe -a dm-multipath dm-round-robin && dmsetup create paths --table "
	      "\"0 $(cat /sys/block/%s/size) multipath 0 0 1 1 round-robin 0 1 0 /dev/%s\"", name, name);
	discovery_scan();
	assert_int_equal(dm_suspend("paths"), 0);
	child = fork();
	if (!child) {
		sysfs_put("discovery/scan", "1");
		_exit(0);
	}
	sleep(2);
	shell("dmsetup remove paths 2>/dev/null; true");
	shell("dmsetup resume paths 2>/dev/null || ! dmsetup info paths >/dev/null 2>&1");
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	discovery_scan();
	discovery_is("spare", "ready");
	shell("! dmsetup info paths >/dev/null 2>&1 || dmsetup remove --retry paths");
	scsi_end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_looked_for_by_loading),
		CASE(what_comes_is_found_if_that_is_wanted),
		CASE(a_loop_device_set_up_late_is_found),
		CASE(what_was_not_ready_is_looked_at_again),
		CASE(a_suspended_device_does_not_stop_it),
		CASE(a_device_that_hangs_is_passed_over),
		CASE(an_interrupted_scan_hides_nothing_from_the_next),
		CASE(many_devices_that_hang_hide_no_other),
		CASE(what_answers_late_is_looked_at_once_more),
		CASE(a_request_based_device_that_is_suspended_can_be_resumed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	shell("modprobe dm-remap");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
