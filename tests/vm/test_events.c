// SPDX-License-Identifier: GPL-2.0
/*
 * What udev is told: a change of the dm device for each event, with its details; what is not told,
 * what is told at once for many, and what waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"
#include "sysfs.h"

#define PATIENCE_MS 10000 /* for an event that must come */
#define SILENCE_MS 600	  /* for one that must not: three times what may lie between two */

static struct pair pair;
#define oracle (&pair.oracle)

static int netlink = -1;
static bool with_health; /* else these events, which follow others a second later, are passed over */

struct event {
	char kind[32];
	unsigned int count, slot, mask, good_copies;
	unsigned long long sector, sequence;
	char state[16], health[16];
};

/* From now on. */
static void listen_to_events(void)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };

	netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	assert_true(netlink >= 0);
	assert_int_equal(bind(netlink, (struct sockaddr *)&kernel, sizeof(kernel)), 0);
}

static int end_of_test(void **state)
{
	(void)state;
	if (netlink >= 0)
		close(netlink);
	netlink = -1;
	with_health = false;
	pair_end(&pair);
	return 0;
}

/* A uevent is strings one after the other: its path, then NAME=value. */
static const char *value_of(const char *uevent, size_t size, const char *name)
{
	const size_t length = strlen(name);
	const char *at;

	for (at = uevent; at < uevent + size; at += strlen(at) + 1)
		if (!strncmp(at, name, length) && at[length] == '=')
			return at + length + 1;
	return NULL;
}

static unsigned long long number_of(const char *uevent, size_t size, const char *name, int base)
{
	const char *value = value_of(uevent, size, name);
	char *end;
	unsigned long long number;

	if (!value)
		fail_msg("the uevent lacks %s", name);
	number = strtoull(value, &end, base);
	if (end == value || *end)
		fail_msg("%s=%s", name, value);
	return number;
}

static void word_of(const char *uevent, size_t size, const char *name, char *word, size_t room)
{
	const char *value = value_of(uevent, size, name);

	if (!value)
		fail_msg("the uevent lacks %s", name);
	snprintf(word, room, "%s", value);
}

/* The next event of ours within @timeout_ms; false if there is none. */
static bool next_event(struct event *event, int timeout_ms)
{
	struct pollfd ready = { .fd = netlink, .events = POLLIN };
	char uevent[8192];
	const char *kind;
	struct stat node;
	ssize_t size;

	do {
		if (poll(&ready, 1, timeout_ms) != 1)
			return false;
		size = recv(netlink, uevent, sizeof(uevent) - 1, 0);
		assert_true(size > 0);
		uevent[size] = 0;
		kind = value_of(uevent, size, "DM_REMAP_EVENT");
	} while (!kind || (!with_health && !strcmp(kind, "health")));
	snprintf(event->kind, sizeof(event->kind), "%s", kind);
	assert_string_equal(value_of(uevent, size, "ACTION"), "change");
	assert_string_equal(value_of(uevent, size, "SUBSYSTEM"), "block");
	assert_int_equal(stat("/dev/mapper/" NAME, &node), 0);
	assert_int_equal(number_of(uevent, size, "MAJOR", 10), major(node.st_rdev));
	assert_int_equal(number_of(uevent, size, "MINOR", 10), minor(node.st_rdev));
	event->count = number_of(uevent, size, "DM_REMAP_COUNT", 10);
	event->sector = number_of(uevent, size, "DM_REMAP_SECTOR", 10);
	event->slot = number_of(uevent, size, "DM_REMAP_SLOT", 10);
	event->mask = number_of(uevent, size, "DM_REMAP_MASK", 16);
	event->good_copies = number_of(uevent, size, "DM_REMAP_GOOD_COPIES", 10);
	event->sequence = number_of(uevent, size, "DM_REMAP_SEQUENCE", 10);
	word_of(uevent, size, "DM_REMAP_STATE", event->state, sizeof(event->state));
	word_of(uevent, size, "DM_REMAP_HEALTH", event->health, sizeof(event->health));
	assert_true(number_of(uevent, size, "DM_REMAP_SCORE", 10) <= 100);
	assert_non_null(value_of(uevent, size, "DM_REMAP_EXHAUSTION_HOURS"));
	return true;
}

/* The next event is of that kind, and of the present sequence. */
static struct event expect(const char *kind)
{
	struct event event;

	if (!next_event(&event, PATIENCE_MS))
		fail_msg("no event, not even %s", kind);
	assert_string_equal(event.kind, kind);
	assert_int_equal(event.count, 1);
	assert_int_equal(event.sequence, pair_status(&pair).sequence);
	return event;
}

static void is_about(const struct event *event, uint64_t sector, uint32_t slot, unsigned int mask)
{
	assert_int_equal(event->sector, sector);
	assert_int_equal(event->slot, slot);
	assert_int_equal(event->mask, mask);
	assert_int_equal(event->good_copies, 5);
}

static void expect_place(const char *kind, uint64_t sector, uint32_t slot, unsigned int mask)
{
	const struct event event = expect(kind);

	is_about(&event, sector, slot, mask);
}

static void expect_silence(void)
{
	struct event event;

	if (next_event(&event, SILENCE_MS))
		fail_msg("unexpected event %s", event.kind);
}

static void message(const char *words)
{
	assert_int_equal(dm_message(NAME, words, NULL, 0), 0);
}

static void opening_and_ending_are_not_told(void **state)
{
	(void)state;
	listen_to_events();
	pair_make(&pair, NULL);
	pair_reopen(&pair);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	expect_silence();
}

static void a_redirection_and_its_end_are_told(void **state)
{
	uint32_t before;

	(void)state;
	pair_make(&pair, NULL);
	listen_to_events();
	before = dm_event_nr(NAME);
	disk_break(&pair.main, 1003, 2);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	expect_place("remap", 1000, 0, 0x18);
	assert_true(pair_event_after(&pair, before));
	/* More of the same block: what is new. */
	disk_break(&pair.main, 1007, 1);
	assert_int_equal(oracle_write(oracle, 1007, 1, 0), 0);
	expect_place("remap", 1000, 0, 0x80);
	disk_mend(&pair.main, 1000, 8);
	message("unmap 1000");
	expect_place("unmap", 1000, 0, 0x98);
	expect_silence();
}

static void lost_and_salvaged_sectors_are_told(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	listen_to_events();
	disk_break(&pair.main, 2001, 1);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	expect_place("lost", 2000, 0, 0x02);
	disk_mend(&pair.main, 2001, 1);
	message("retest");
	expect_place("salvaged", 2000, 0, 0x02);
	expect_silence();
}

static void a_retired_slot_is_told(void **state)
{
	struct event events[2];
	int remap;

	(void)state;
	pair_make(&pair, NULL);
	listen_to_events();
	disk_break(&pair.spare, SLOT_SECTOR(0), 8);
	disk_break(&pair.main, 3000, 8);
	assert_int_equal(oracle_write(oracle, 3000, 8, 0), 0);
	/* Of one commit: one after the other, or both at once, the redirection first. */
	assert_true(next_event(&events[0], PATIENCE_MS) && next_event(&events[1], PATIENCE_MS));
	remap = strcmp(events[0].kind, "remap") ? 1 : 0;
	assert_string_equal(events[remap].kind, "remap");
	is_about(&events[remap], 3000, 1, 0xff);
	assert_string_equal(events[!remap].kind, "retired");
	is_about(&events[!remap], 0, 0, 0); /* no block was in it */
	expect_silence();
}

static void copies_that_go_and_come_back_are_told(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 8);
	disk_break(&pair.spare, copy_sector[2], 8);
	listen_to_events();
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(expect("remap").good_copies, 4);
	assert_int_equal(expect("metadata").good_copies, 4);
	disk_mend(&pair.spare, copy_sector[2], 8);
	assert_int_equal(pair_repair(&pair), 5);
	assert_int_equal(expect("metadata").good_copies, 5);
	expect_silence();
}

static void main_failed_is_told_and_that_it_is_over(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "2 remap_burst 1"), 0);
	disk_break(&pair.main, 1000, 16);
	listen_to_events();
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	expect_place("remap", 1000, 0, 0xff);
	assert_int_equal(oracle_write(oracle, 1008, 8, 0), -EIO);
	assert_string_equal(expect("main_failed").state, "main_failed");
	/* What happens to a suspended device waits: udev's programs would hang on it. */
	assert_int_equal(dm_suspend(NAME), 0);
	message("resume_remap");
	expect_silence();
	assert_int_equal(dm_resume(NAME), 0);
	assert_string_equal(expect("main_failed").state, "ok");
	expect_silence();
}

/* The event of that kind that comes within some seconds, whatever else is told. */
static struct event wait_for(const char *kind)
{
	const time_t begin = time(NULL);
	struct event event;

	do {
		if (!next_event(&event, PATIENCE_MS) || time(NULL) - begin > 60)
			fail_msg("no event %s", kind);
	} while (strcmp(event.kind, kind));
	return event;
}

/* Each time the slots in use reach what is set, which may change under them. */
static void a_spare_that_gets_low_is_told(void **state)
{
	(void)state;
	pair_make(&pair, NULL);
	listen_to_events();
	message("remap 0 1024");
	assert_int_equal(pair_status(&pair).used, 128);
	wait_for("remap");
	assert_int_equal(sysfs_put("./config/spare_low_percent", "1"), 0);
	assert_string_equal(wait_for("spare_low").state, "ok");
	expect_silence();
}

/* Main fails as a whole: its health follows, and is told when it does. */
static void health_that_changes_is_told(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "2 remap_burst 1"), 0);
	disk_break(&pair.main, 1000, 16);
	listen_to_events();
	with_health = true;
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	assert_int_equal(oracle_write(oracle, 1008, 8, 0), -EIO);
	assert_string_equal(wait_for("health").health, "failed");
}

/* Many at once are told together, and none is left out. */
static void a_full_spare_and_thousands_of_redirections_are_told(void **state)
{
	const time_t begin = time(NULL);
	unsigned int slots, remaps = 0, full = 0, low = 0, events = 0;
	struct event event;

	(void)state;
	pair_make(&pair, &(struct pair_options){ .spare.mib = 16 });
	slots = pair_status(&pair).total;
	disk_break(&pair.main, 8192, 8 * slots);
	listen_to_events();
	assert_int_equal(oracle_write(oracle, 8192, 8 * slots, 0), 0);
	/* That it is low is seen once a second: before it is full, or after. */
	while (remaps < slots || !full || !low) {
		if (!next_event(&event, PATIENCE_MS))
			fail_msg("%u of %u redirections were told", remaps, slots);
		events++;
		if (!strcmp(event.kind, "remap")) {
			remaps += event.count;
		} else if (!strcmp(event.kind, "spare_low")) {
			low += event.count;
		} else {
			assert_string_equal(event.kind, "spare_full");
			full += event.count;
		}
	}
	assert_int_equal(remaps, slots);
	assert_int_equal(full, 1);
	assert_int_equal(low, 1);
	expect_silence();
	/* Five times a second at most, of three kinds. */
	assert_true(events <= 3 * 5 * (time(NULL) - begin + 1));
}

/* ---- Tracepoints ---- */

static void tracepoints_say_what_happened(void **state)
{
	(void)state;
	shell("[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing");
	pair_make(&pair, NULL);
	put_file("/sys/kernel/tracing/events/dm_remap/enable", "1");
	disk_break(&pair.main, 1000, 8);
	assert_int_equal(oracle_write(oracle, 1000, 8, 0), 0);
	disk_break(&pair.main, 2001, 1);
	assert_int_equal(oracle_read(oracle, 2000, 8), -EIO);
	disk_mend(&pair.main, 2001, 1);
	assert_int_equal(dm_message(NAME, "retest", NULL, 0), 0);
	put_file("/sys/kernel/tracing/events/dm_remap/enable", "0");
	shell("cat /sys/kernel/tracing/trace >/tmp/trace");
	shell("grep -q 'dm_remap_redirect: dev=.* sector=1000 slot=0 mask=ff' /tmp/trace");
	shell("grep -q 'dm_remap_commit: dev=.* good_copies=5 state=ok' /tmp/trace");
	shell("grep -q 'dm_remap_salvage: dev=.* sector=2000 slot=1 mask=02' /tmp/trace");
	shell("grep -q 'dm_remap_state: dev=.* from=ok to=degraded' /tmp/trace");
	shell("grep -q 'dm_remap_state: dev=.* from=degraded to=ok' /tmp/trace");
	shell("echo >/sys/kernel/tracing/trace");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(opening_and_ending_are_not_told),
		CASE(a_redirection_and_its_end_are_told),
		CASE(lost_and_salvaged_sectors_are_told),
		CASE(a_retired_slot_is_told),
		CASE(copies_that_go_and_come_back_are_told),
		CASE(main_failed_is_told_and_that_it_is_over),
		CASE(a_spare_that_gets_low_is_told),
		CASE(health_that_changes_is_told),
		CASE(a_full_spare_and_thousands_of_redirections_are_told),
		CASE(tracepoints_say_what_happened),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
