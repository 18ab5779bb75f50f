// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery.h"
#include "sysfs.h"

struct pair pair;
struct disk others[2];

void end_of_others(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (others[i].name[0])
			disk_end(&others[i]);
	memset(others, 0, sizeof(others));
}

int end_of_test(void **state)
{
	(void)state;
	pair_end(&pair);
	end_of_others();
	put_file(SYSFS "/discovery/auto_scan", "0");
	return 0;
}

const char *discovery_text(const char *file, size_t piece)
{
	static char text[DISCOVERY_LONGEST];
	char path[128];
	ssize_t size = 0, got;
	int fd;

	snprintf(path, sizeof(path), SYSFS "/discovery/%s", file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	while ((got = read(fd, text + size, piece)) > 0)
		size += got;
	close(fd);
	assert_int_equal(got, 0);
	text[size] = 0;
	return text;
}

void discovery_scan(void)
{
	assert_int_equal(sysfs_put("discovery/scan", "1\n"), 0);
}

const char *discovery_line(const char *file, unsigned int column, const char *word)
{
	static char line[512], copy[DISCOVERY_LONGEST];
	char *save, *at, *words, *save_words;
	unsigned int i;

	line[0] = 0;
	snprintf(copy, sizeof(copy), "%s", discovery_text(file, 4096));
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

const char *discovery_state(const char *name)
{
	const char *line = discovery_line("devices", 1, name);

	return strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;
}

bool discovery_becomes(const char *name, const char *state, unsigned int seconds)
{
	unsigned int tries;

	for (tries = 0; tries < seconds * 10 && strcmp(discovery_state(name), state); tries++)
		usleep(100000);
	return !strcmp(discovery_state(name), state);
}

void discovery_is(const char *name, const char *state)
{
	if (strcmp(discovery_state(name), state))
		fail_msg("%s is '%s' instead of '%s': %s", name, discovery_state(name), state,
			 discovery_text("devices", 4096));
}

void discovery_closed_pair(struct pair *pair, const char *arguments)
{
	pair_make_disks(pair, &(struct pair_options){ .main.mib = DISCOVERY_MAIN_MIB });
	assert_int_equal(pair_open(pair, arguments), 0);
	pair_close(pair);
}

void discovery_copy_headers(const char *from, const char *to, uint64_t to_sector)
{
	uint8_t header[DISCOVERY_HEADER_SECTORS * SECTOR];
	unsigned int c;

	for (c = 0; c < COPIES; c++) {
		assert_int_equal(io_read(from, copy_sector[c], header, DISCOVERY_HEADER_SECTORS), 0);
		assert_int_equal(io_write(to, to_sector + copy_sector[c], header, DISCOVERY_HEADER_SECTORS), 0);
	}
}
