// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pattern.h"

#define MAGIC 0x646d722d74657374ull
#define CHECK_SECTORS 256

struct stamp {
	uint64_t magic;
	uint64_t sector;
	uint64_t number;
};

static void fail(const char *what, const char *path)
{
	printf("cannot %s %s: %s\n", what, path, strerror(errno));
	fflush(stdout);
	abort();
}

void pattern_fill(void *buffer, uint64_t sector, uint32_t number)
{
	struct stamp stamp = { MAGIC, sector, number };
	uint64_t x = (sector * 0x9e3779b97f4a7c15ull) ^ number ^ MAGIC;
	uint64_t *words = buffer;
	unsigned int i;

	for (i = 0; i < SECTOR / sizeof(*words); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
	memcpy(buffer, &stamp, sizeof(stamp));
}

int64_t pattern_number(const void *buffer, uint64_t sector)
{
	static const char zeros[SECTOR];
	char expected[SECTOR];
	struct stamp stamp;

	if (!memcmp(buffer, zeros, SECTOR))
		return 0;
	memcpy(&stamp, buffer, sizeof(stamp));
	pattern_fill(expected, sector, stamp.number);
	return memcmp(buffer, expected, SECTOR) ? -1 : (int64_t)stamp.number;
}

bool pattern_stamp(const void *buffer, uint64_t *sector, uint32_t *number)
{
	struct stamp stamp;

	memcpy(&stamp, buffer, sizeof(stamp));
	*sector = stamp.sector;
	*number = stamp.number;
	return stamp.magic == MAGIC;
}

void *io_buffer(uint64_t bytes)
{
	void *buffer;

	if (posix_memalign(&buffer, 4096, bytes))
		abort();
	return buffer;
}

void oracle_reopen(struct oracle *oracle, const char *path)
{
	oracle->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (oracle->fd < 0)
		fail("open", path);
}

void oracle_open(struct oracle *oracle, const char *path, uint64_t sectors)
{
	oracle->sectors = sectors;
	oracle->acknowledged = calloc(sectors, sizeof(uint32_t));
	oracle->issued = calloc(sectors, sizeof(uint32_t));
	oracle_reopen(oracle, path);
}

void oracle_close(struct oracle *oracle)
{
	if (oracle->fd >= 0)
		close(oracle->fd);
	oracle->fd = -1;
}

void oracle_free(struct oracle *oracle)
{
	oracle_close(oracle);
	free(oracle->acknowledged);
	free(oracle->issued);
	oracle->acknowledged = oracle->issued = NULL;
}

int oracle_write(struct oracle *oracle, uint64_t sector, uint32_t count, int flags)
{
	struct iovec vec = { io_buffer(count * SECTOR), count * SECTOR };
	ssize_t done;
	uint32_t i;
	int r = 0;

	for (i = 0; i < count; i++)
		pattern_fill((char *)vec.iov_base + i * SECTOR, sector + i,
			     ++oracle->issued[sector + i]);
	done = pwritev2(oracle->fd, &vec, 1, sector * SECTOR, flags);
	if (done < 0)
		r = -errno;
	else if (done != (ssize_t)vec.iov_len)
		r = -EIO;
	for (i = 0; !r && i < count; i++)
		oracle->acknowledged[sector + i] = oracle->issued[sector + i];
	free(vec.iov_base);
	return r;
}

static bool sector_is_right(const struct oracle *oracle, const void *data, uint64_t sector,
			    uint32_t oldest)
{
	int64_t number = pattern_number(data, sector);

	if (number >= oldest && number <= oracle->issued[sector])
		return true;
	printf("sector %llu reads as %lld, not %u to %u\n", (unsigned long long)sector,
	       (long long)number, oldest, oracle->issued[sector]);
	return false;
}

int oracle_read(struct oracle *oracle, uint64_t sector, uint32_t count)
{
	char *buffer = io_buffer(count * SECTOR);
	uint32_t *oldest = malloc(count * sizeof(*oldest));
	int wrong = 0;
	ssize_t done;
	uint32_t i;

	/* Another thread may be writing: what was acknowledged before the read must be there. */
	memcpy(oldest, oracle->acknowledged + sector, count * sizeof(*oldest));
	memset(buffer, 0xee, count * SECTOR);
	done = pread(oracle->fd, buffer, count * SECTOR, sector * SECTOR);
	if (done < 0)
		wrong = -errno;
	else if (done != (ssize_t)count * SECTOR)
		wrong = -EIO;
	for (i = 0; wrong >= 0 && i < count; i++)
		wrong += !sector_is_right(oracle, buffer + i * SECTOR, sector + i, oldest[i]);
	free(oldest);
	free(buffer);
	return wrong;
}

int oracle_check(struct oracle *oracle, uint64_t sector, uint64_t count)
{
	int wrong = 0;

	while (count) {
		uint32_t part = count < CHECK_SECTORS ? count : CHECK_SECTORS;
		int r = oracle_read(oracle, sector, part);

		if (r < 0)
			printf("cannot read %u sectors from %llu: %s\n", part,
			       (unsigned long long)sector, strerror(-r));
		wrong += r < 0 ? (int)part : r;
		sector += part;
		count -= part;
	}
	return wrong;
}

void oracle_forget(struct oracle *oracle, uint64_t sector, uint64_t count)
{
	memset(oracle->acknowledged + sector, 0, count * sizeof(uint32_t));
	memset(oracle->issued + sector, 0, count * sizeof(uint32_t));
}

static int io(const char *path, uint64_t sector, void *data, uint32_t count, bool write)
{
	int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	void *buffer;
	ssize_t done;
	int r = 0;

	if (fd < 0)
		fail("open", path);
	buffer = io_buffer(count * SECTOR);
	if (write)
		memcpy(buffer, data, count * SECTOR);
	done = write ? pwrite(fd, buffer, count * SECTOR, sector * SECTOR)
		     : pread(fd, buffer, count * SECTOR, sector * SECTOR);
	if (done != (ssize_t)count * SECTOR)
		r = done < 0 ? -errno : -EIO;
	if (!write && !r)
		memcpy(data, buffer, count * SECTOR);
	free(buffer);
	close(fd);
	return r;
}

int io_write(const char *path, uint64_t sector, const void *data, uint32_t count)
{
	return io(path, sector, (void *)data, count, true);
}

int io_read(const char *path, uint64_t sector, void *data, uint32_t count)
{
	return io(path, sector, data, count, false);
}
