// SPDX-License-Identifier: GPL-2.0
/*
 * What the target says of itself: status, table, messages, their answers and refusals.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"

static struct pair pair;
#define oracle (&pair.oracle)

static char text[65536];

static int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	return 0;
}

static void redirect(uint64_t sector, uint32_t count)
{
	disk_break(&pair.main, sector, count);
	assert_int_equal(oracle_write(oracle, sector, count, 0), 0);
}

static int message(const char *words)
{
	return dm_message(NAME, words, text, sizeof(text));
}

static void status_has_its_fields_in_order(void **state)
{
	char expected[256];
	struct status status;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(dm_status(NAME, text, sizeof(text)), 0);
	snprintf(expected, sizeof(expected), "ok 0/%llu 0 %llu 5/5 0 0 100 idle 0/%llu",
		 (unsigned long long)(pair.spare.sectors - SLOTS_BEGIN) / 8,
		 (unsigned long long)spare_sequence(pair.spare.path),
		 (unsigned long long)pair.length);
	assert_string_equal(text, expected);

	redirect(1000, 8);
	redirect(2000, 16);
	disk_break(&pair.main, 3000, 1);
	assert_int_equal(oracle_read(oracle, 3000, 1), -EIO);
	/* Health is looked at once a second. */
	usleep(3000000);
	status = pair_status(&pair);
	assert_int_equal(dm_status(NAME, text, sizeof(text)), 0);
	/* The sector that can't be read is lost, and a slot is kept for it. */
	snprintf(expected, sizeof(expected), "degraded 4/%u 1 %llu 5/5 %llu %llu %u idle 0/%llu",
		 status.total, (unsigned long long)spare_sequence(pair.spare.path),
		 (unsigned long long)status.read_errors, (unsigned long long)status.write_errors,
		 status.score, (unsigned long long)pair.length);
	assert_string_equal(text, expected);
	assert_in_range(status.score, 1, 89);
	assert_true(status.read_errors > 0);
	assert_int_equal(status.write_errors, 2);
	/* Errors are made durable with the redirections that they led to. */
	pair_reopen(&pair);
	assert_int_equal(pair_status(&pair).write_errors, 2);
	assert_int_equal(pair_status(&pair).read_errors, status.read_errors);
}

static void the_table_reloads_verbatim(void **state)
{
	char table[256], line[512], again[256];
	struct copy copies[COPIES];
	unsigned int major_number, minor_number;

	(void)state;
	pair_make(&pair, NULL);
	redirect(1000, 8);
	assert_int_equal(dm_table(NAME, table, sizeof(table)), 0);
	/* major:minor, then the pair's UUID, always. */
	assert_int_equal(sscanf(table, "%u:%u ", &major_number, &minor_number), 2);
	assert_non_null(strstr(table, " 2 uuid "));
	spare_copies(pair.spare.path, copies);
	{
		const uint8_t *u = copies[0].uuid;

		snprintf(line, sizeof(line),
			 " 2 uuid %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
			 u[12], u[13], u[14], u[15]);
		assert_non_null(strstr(table, line));
	}
	snprintf(line, sizeof(line), "0 %llu remap %s", (unsigned long long)pair.length, table);
	assert_int_equal(dm_reload(NAME, line), 0);
	assert_int_equal(dm_table(NAME, again, sizeof(again)), 0);
	assert_string_equal(again, table);
	pair_close(&pair);
	assert_int_equal(dm_create(NAME, line), 0);
	assert_int_equal(dm_table(NAME, again, sizeof(again)), 0);
	assert_string_equal(again, table);
	oracle_reopen(oracle, "/dev/mapper/" NAME);
	assert_int_equal(oracle_read(oracle, 1000, 8), 0);
}

/* Also of a table that is not live: whoever reads the line has the pair's name. */
static void a_table_that_waits_names_the_pair_of_its_spare(void **state)
{
	char live[256];

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(dm_table(NAME, live, sizeof(live)), 0);
	pair_close(&pair);
	assert_int_equal(dm_make(NAME), 0);
	assert_int_equal(dm_load(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(dm_inactive_table(NAME, text, sizeof(text)), 0);
	assert_string_equal(text, live);
	/* What is to be made anew has no name yet. */
	assert_int_equal(dm_load(NAME, pair_table(&pair, "1 format")), 0);
	assert_int_equal(dm_inactive_table(NAME, text, sizeof(text)), 0);
	assert_null(strstr(text, "uuid"));
}

static void what_is_for_once_is_not_in_the_table(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "3 format adopt_main accept_single_copy"), 0);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_null(strstr(text, "format"));
	assert_null(strstr(text, "adopt_main"));
	assert_null(strstr(text, "accept_single_copy"));
	assert_non_null(strstr(text, " 2 uuid "));
}

static void a_label_is_kept(void **state)
{
	(void)state;
	pair_make_disks(&pair, NULL);
	assert_int_equal(pair_open(&pair, "2 label disk-7.of_NAS"), 0);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " 4 uuid "));
	assert_non_null(strstr(text, " label disk-7.of_NAS"));
	/* In the metadata: it is known without being given. */
	pair_reopen(&pair);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " label disk-7.of_NAS"));
	/* A reload changes it. */
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 label other")), 0);
	pair_reopen(&pair);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " label other"));
	assert_true(spare_copies_equal(pair.spare.path));
}

static void list_is_sorted_and_takes_ranges(void **state)
{
	struct entry *entries;
	unsigned int n, i;

	(void)state;
	pair_make(&pair, NULL);
	assert_int_equal(message("list"), 0);
	assert_string_equal(text, "");
	redirect(5000, 1);
	redirect(803, 2);
	redirect(90008, 8);
	redirect(16, 8);
	redirect(2047, 2);
	n = pair_list(&pair, &entries);
	assert_int_equal(n, 6);
	for (i = 1; i < n; i++)
		assert_true(entries[i - 1].sector < entries[i].sector);
	assert_int_equal(entries[1].sector, 800);
	assert_int_equal(entries[1].spare_mask, 0x18);
	assert_int_equal(entries[2].sector, 2040);
	assert_int_equal(entries[2].spare_mask, 0x80);
	assert_int_equal(entries[3].sector, 2048);
	assert_int_equal(entries[3].spare_mask, 0x01);
	for (i = 0; i < n; i++) {
		uint8_t spare_mask, lost_mask;

		assert_int_equal(spare_slot_of(pair.spare.path, entries[i].sector / 8, &spare_mask,
					       &lost_mask), entries[i].slot);
		assert_int_equal(spare_mask, entries[i].spare_mask);
		assert_int_equal(lost_mask, entries[i].lost_mask);
	}
	free(entries);

	assert_int_equal(message("list 2048"), 0);
	assert_ptr_equal(strstr(text, "2048 "), text);
	assert_non_null(strstr(text, "\n90008 "));
	assert_int_equal(message("list 805 1236"), 0);
	assert_ptr_equal(strstr(text, "800 "), text);
	assert_non_null(strstr(text, "\n2040 "));
	assert_null(strstr(text, "\n2048 "));
	assert_int_equal(message("list 808 1232"), 0);
	assert_string_equal(text, "");
	assert_int_equal(message("list 0 18446744073709551615"), 0);
	assert_int_equal(message("list x"), -EINVAL);
	assert_int_equal(message("list 0 8 8"), -EINVAL);
	assert_int_equal(message("list -1"), -EINVAL);
}

static void a_list_longer_than_the_first_buffer_comes_whole(void **state)
{
	struct entry *entries;
	unsigned int n, i;

	(void)state;
	pair_make(&pair, NULL);
	redirect(8192, 16384);
	n = pair_list(&pair, &entries);
	assert_int_equal(n, 2048);
	for (i = 0; i < n; i++)
		assert_int_equal(entries[i].sector, 8192 + 8 * i);
	free(entries);
}

static void peer_25_messages_answer(void **state)
{
	char *line, *save;
	unsigned int lines = 0;

	(void)state;
	pair_make(&pair, NULL);
	redirect(1000, 24);
	assert_int_equal(message("repair"), 0);
	assert_int_equal(strncmp(text, "5/5", 3), 0);
	assert_int_equal(message("stats"), 0);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), lines++) {
		char *equals = strchr(line, '=');

		assert_non_null(equals);
		assert_true(isalnum(equals[1]) || equals[1] == '-');
	}
	assert_true(lines > 5);
	assert_int_equal(pair_stat(&pair, "remaps"), 3);
	assert_int_equal(pair_stat(&pair, "slots_used"), 3);
	assert_int_equal(pair_stat(&pair, "write_errors"), pair_status(&pair).write_errors);
	assert_int_equal(pair_stat(&pair, "sequence"), spare_sequence(pair.spare.path));
	assert_int_equal(pair_stat(&pair, "good_copies"), 5);
	assert_int_equal(pair_stat(&pair, "lost_sectors"), 0);
	/* Lasting. */
	pair_reopen(&pair);
	assert_int_equal(pair_stat(&pair, "remaps"), 3);
}

static void what_is_not_known_is_refused_by_name(void **state)
{
	static const char *const messages[] = { "nonsense", "scan", "scan nonsense", "scan start 1", "", "LIST", "repair 1",
						"stats all", "remap", "remap x", "unmap" };
	static const char *const arguments[] = {
		"debug_level 1", "nonsense",
		/* Out of range, or no number: never taken for something near. */
		"read_retries 101", "read_retries -1", "remap_burst 0", "remap_burst 1000001",
		"remap_burst_seconds 86401", "auto_remap 2", "auto_remap yes",
		"scan_enabled 2", "scan_interval_hours 0", "scan_chunk_kib 3",
		"scan_duty_ppm 0", "scan_idle_duty_ppm 1000001", "slow_read_ms 600001",
		"verify_writes 1", "verify_writes some", "spare_low_percent 0",
	};
	char words[128];
	unsigned int i;
	int log = kmsg_open();

	(void)state;
	pair_make(&pair, NULL);
	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		assert_true(message(messages[i]) < 0);
		snprintf(words, sizeof(words), "%s", messages[i]);
		words[strcspn(words, " ")] = 0;
		if (i < 1)
			assert_true(kmsg_says(log, words));
	}
	pair_close(&pair);
	for (i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		snprintf(words, sizeof(words), "%d %s", strchr(arguments[i], ' ') ? 2 : 1,
			 arguments[i]);
		assert_int_equal(pair_open(&pair, words), -EINVAL);
		snprintf(words, sizeof(words), "%s", arguments[i]);
		words[strcspn(words, " ")] = 0;
		assert_true(kmsg_says(log, words));
	}
	close(log);
}

static void settings_are_in_the_table(void **state)
{
	static const char settings[] = "no_auto_remap scan_duty_ppm 5 verify_writes all";
	const char *path = "/sys/module/dm_remap/parameters/scan_chunk_kib";
	char line[512], again[480], text[480];

	(void)state;
	pair_make_disks(&pair, NULL);
	/* What is at its default is not told. */
	assert_int_equal(pair_open(&pair, "7 scan_interval_hours 168 verify_writes all "
					  "scan_duty_ppm 5 no_auto_remap"), 0);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " 7 uuid "));
	assert_non_null(strstr(text, settings));
	snprintf(line, sizeof(line), "0 %llu remap %s", (unsigned long long)pair.length, text);
	assert_int_equal(dm_reload(NAME, line), 0);
	assert_int_equal(dm_table(NAME, again, sizeof(again)), 0);
	assert_string_equal(again, text);

	/* What is changed while it lives, and what is not as new targets are now. */
	assert_int_equal(message("scan stop"), 0);
	put_file(path, "64");
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " scan_enabled 0"));
	assert_non_null(strstr(text, " scan_chunk_kib 1024"));
	snprintf(line, sizeof(line), "0 %llu remap %s", (unsigned long long)pair.length, text);
	assert_int_equal(dm_reload(NAME, line), 0);
	assert_int_equal(dm_table(NAME, again, sizeof(again)), 0);
	assert_string_equal(again, text);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "")), 0);
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " 4 uuid "));
	assert_non_null(strstr(text, " scan_chunk_kib 64"));
	assert_false(try_put_file(path, "3"));
	put_file(path, "1024");
	assert_int_equal(dm_table(NAME, text, sizeof(text)), 0);
	assert_non_null(strstr(text, " scan_chunk_kib 64"));
}

static void messages_while_suspended_do_not_wait(void **state)
{
	(void)state;
	WITHIN_SECONDS(30);
	pair_make(&pair, NULL);
	redirect(1000, 24);
	assert_int_equal(dm_suspend(NAME), 0);
	assert_int_equal(message("repair"), -EBUSY);
	assert_int_equal(message("list"), 0);
	assert_ptr_equal(strstr(text, "1000 "), text);
	assert_int_equal(pair_stat(&pair, "slots_used"), 3);
	assert_int_equal(dm_resume(NAME), 0);
	assert_int_equal(message("repair"), 0);
}

static void counts_of_errors_are_main_s(void **state)
{
	struct entry entry;
	uint64_t count;

	(void)state;
	pair_make(&pair, NULL);
	disk_break(&pair.main, 1000, 2);
	assert_int_equal(oracle_write(oracle, 1000, 2, 0), 0);
	assert_int_equal(pair_status(&pair).write_errors, 1);
	assert_int_equal(pair_status(&pair).read_errors, 0);
	/* A spare's are not. */
	assert_true(pair_entry(&pair, 1000, &entry));
	disk_break(&pair.spare, SLOT_SECTOR(entry.slot), 1);
	assert_int_equal(oracle_read(oracle, 1000, 1), -EIO);
	assert_int_equal(pair_status(&pair).read_errors, 0);

	disk_break(&pair.main, 2000, 1);
	assert_int_equal(oracle_read(oracle, 2000, 1), -EIO);
	count = pair_status(&pair).read_errors;
	assert_true(count > 0);
	/* What is lost is not asked of main again. */
	assert_int_equal(oracle_read(oracle, 2000, 1), -EIO);
	assert_int_equal(pair_status(&pair).read_errors, count);
}

/* The last measurement of @event, decoded into text; false if there is none. */
static bool measurement_of(const char *event)
{
	FILE *file = fopen("/sys/kernel/security/ima/ascii_runtime_measurements", "r");
	char *line = NULL, *hex;
	bool found = false;
	size_t size = 0, i;

	assert_non_null(file);
	while (getline(&line, &size, file) > 0) {
		hex = strstr(line, event);
		if (!hex)
			continue;
		hex += strlen(event) + 1;
		for (i = 0; i + 1 < sizeof(text) && isxdigit(hex[2 * i]); i++) {
			const char byte[3] = { hex[2 * i], hex[2 * i + 1], 0 };

			text[i] = strtoul(byte, NULL, 16);
		}
		text[i] = 0;
		found = true;
	}
	free(line);
	fclose(file);
	return found;
}

static void ima_is_told_of_the_table(void **state)
{
	(void)state;
	shell("mount -t securityfs securityfs /sys/kernel/security");
	if (access("/sys/kernel/security/ima", F_OK))
		skip();
	pair_make(&pair, NULL);
	assert_int_equal(dm_reload(NAME, pair_table(&pair, "2 label measured")), 0);
	assert_true(measurement_of("dm_table_load"));
	assert_non_null(strstr(text, "target_name=remap,target_version=4."));
	assert_non_null(strstr(text, ",main_device_name="));
	assert_non_null(strstr(text, ",spare_device_name="));
	assert_non_null(strstr(text, ",uuid="));
	assert_non_null(strstr(text, ",label=measured;"));
	shell("umount /sys/kernel/security");
}

static void the_module_parameter_is_validated(void **state)
{
	const char *path = "/sys/module/dm_remap/parameters/debug_level";

	(void)state;
	pair_make(&pair, NULL);
	put_file(path, "3");
	redirect(1000, 16);
	assert_int_equal(oracle_read(oracle, 1000, 16), 0);
	assert_false(try_put_file(path, "4"));
	assert_false(try_put_file(path, "x"));
	get_file(path, text, sizeof(text));
	assert_string_equal(text, "3");
	put_file(path, "0");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(status_has_its_fields_in_order),
		CASE(the_table_reloads_verbatim),
		CASE(a_table_that_waits_names_the_pair_of_its_spare),
		CASE(what_is_for_once_is_not_in_the_table),
		CASE(a_label_is_kept),
		CASE(list_is_sorted_and_takes_ranges),
		CASE(a_list_longer_than_the_first_buffer_comes_whole),
		CASE(peer_25_messages_answer),
		CASE(what_is_not_known_is_refused_by_name),
		CASE(settings_are_in_the_table),
		CASE(messages_while_suspended_do_not_wait),
		CASE(counts_of_errors_are_main_s),
		CASE(ima_is_told_of_the_table),
		CASE(the_module_parameter_is_validated),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	dm_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
