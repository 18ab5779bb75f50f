// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

#define NULL_BLK "/sys/kernel/config/nullb"

static void give_up(const char *what, const char *on)
{
	printf("cannot %s %s: %s\n", what, on, strerror(errno));
	fflush(stdout);
	abort();
}

bool try_put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	/* Some attributes want the end of a line. */
	bool ok = fd >= 0 && dprintf(fd, "%s\n", text) == (int)strlen(text) + 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

void put_file(const char *path, const char *text)
{
	if (!try_put_file(path, text))
		give_up("write", path);
}

void get_file(const char *path, char *text, unsigned int size)
{
	FILE *file = fopen(path, "r");

	if (!file || !fgets(text, size, file))
		give_up("read", path);
	fclose(file);
	text[strcspn(text, "\n")] = 0;
}

void shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	fflush(stdout);
	if (system(command))
		give_up("run", command);
}

static void put_attribute(const struct disk *disk, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), NULL_BLK "/%s/%s", disk->name, name);
	put_file(path, text);
}

static void put_number(const struct disk *disk, const char *name, unsigned int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	put_attribute(disk, name, text);
}

void disk_make(struct disk *disk, const char *name, const struct disk_options *options)
{
	static bool loaded;
	char directory[64];

	if (!loaded)
		shell("modprobe null_blk nr_devices=0");
	loaded = true;
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	disk->sectors = options->mib * 2048ull;
	snprintf(directory, sizeof(directory), NULL_BLK "/%s", name);
	if (mkdir(directory, 0755))
		give_up("make", directory);
	put_number(disk, "memory_backed", 1);
	put_number(disk, "size", options->mib);
	put_number(disk, "blocksize", options->block_bytes ? options->block_bytes : 512);
	put_number(disk, "queue_mode", 2);
	put_number(disk, "submit_queues", 2);
	put_number(disk, "irqmode", 1);
	if (options->cache_mib)
		put_number(disk, "cache_size", options->cache_mib);
	if (options->discard)
		put_number(disk, "discard", 1);
	if (options->zoned) {
		put_number(disk, "zoned", 1);
		put_number(disk, "zone_size", 4);
	}
	put_number(disk, "power", 1);
	/* Before 6.0 the name was null_blk's own choice. */
	snprintf(disk->path, sizeof(disk->path), "/dev/%s", name);
	if (access(disk->path, F_OK))
		give_up("find", disk->path);
}

void disk_end(struct disk *disk)
{
	char directory[64];

	snprintf(directory, sizeof(directory), NULL_BLK "/%s", disk->name);
	if (rmdir(directory))
		give_up("remove", directory);
}

/* The list takes 512 ranges of up to 512 sectors; long ranges at once put 6.1's out of order. */
#define RANGE_SECTORS 512

static void put_badblocks(const struct disk *disk, char sign, uint64_t sector, uint64_t count)
{
	const uint64_t end = sector + count;
	char text[64];

	for (; sector < end; sector += count) {
		count = end - sector < RANGE_SECTORS ? end - sector : RANGE_SECTORS;
		snprintf(text, sizeof(text), "%c%llu-%llu", sign, (unsigned long long)sector,
			 (unsigned long long)(sector + count - 1));
		put_attribute(disk, "badblocks", text);
	}
}

void disk_break(const struct disk *disk, uint64_t sector, uint64_t count)
{
	put_badblocks(disk, '+', sector, count);
}

void disk_mend(const struct disk *disk, uint64_t sector, uint64_t count)
{
	put_badblocks(disk, '-', sector, count);
}

void disk_power_cycle(const struct disk *disk)
{
	put_number(disk, "power", 0);
	put_number(disk, "power", 1);
	if (access(disk->path, F_OK))
		give_up("find", disk->path);
}

uint64_t disk_flushes(const struct disk *disk)
{
	unsigned long long n = 0;
	char path[128], text[512];

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk->name);
	get_file(path, text, sizeof(text));
	if (sscanf(text, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &n) != 1)
		give_up("parse", path);
	return n;
}

void scsi_make(char *name, unsigned int size, const char *parameters)
{
	shell("modprobe sd_mod && modprobe scsi_debug %s", parameters);
	/* The disk is looked for in the background. */
	shell("cd /sys/bus/pseudo/drivers/scsi_debug; i=0; "
	      "until set -- adapter*/host*/target*/*/block/sd*; [ -e \"$1\" ] && [ -e /dev/${1##*/} ]; "
	      "do i=$((i + 1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done; echo ${1##*/} >/tmp/scsi_disk");
	get_file("/tmp/scsi_disk", name, size);
}

void scsi_end(void)
{
	/* Discovery may be reading it. */
	shell("i=0; until rmmod scsi_debug; do i=$((i + 1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done");
}

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		give_up("open", "/dev/kmsg");
	return fd;
}

bool kmsg_says(int fd, const char *word)
{
	char line[4096];
	ssize_t got;

	while ((got = read(fd, line, sizeof(line) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		line[got > 0 ? got : 0] = 0;
		if (strstr(line, word))
			return true;
	}
	return false;
}
