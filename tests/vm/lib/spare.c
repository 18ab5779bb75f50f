// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "spare.h"

#define BLOCK 4096
#define BLOCK_SECTORS 8
#define ENTRIES 511
#define TABLE_BLOCKS_MAX 127
#define FREE_BLOCK 0xffffffffffffull
#define RETIRED_BLOCK 0xfffffffffffeull

/* Offsets in the header. */
#define AT_VERSION 8
#define AT_CRC 12
#define AT_UUID 16
#define AT_SEQUENCE 32
#define AT_MAIN_SECTORS 40
#define AT_SLOTS 56
#define AT_TABLE_BLOCKS 60
#define AT_TABLE_CRC 1024

const uint64_t copy_sector[COPIES] = { 0, 1024, 2048, 4096, 8192 };

static uint32_t crc32_of(uint32_t crc, const void *data, size_t bytes)
{
	static uint32_t table[256];
	const uint8_t *p = data;
	uint32_t i, bit;

	for (i = 0; !table[255] && i < 256; i++)
		for (table[i] = i, bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
	crc = ~crc;
	while (bytes--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

static uint32_t get32(const uint8_t *data, unsigned int at)
{
	uint32_t value;

	memcpy(&value, data + at, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const uint8_t *data, unsigned int at)
{
	uint64_t value;

	memcpy(&value, data + at, sizeof(value));
	return le64toh(value);
}

static bool header_verifies(const uint8_t *header)
{
	uint8_t copy[BLOCK];

	memcpy(copy, header, BLOCK);
	memset(copy + AT_CRC, 0, 4);
	return !memcmp(header, "DMREMAP4", 8) && get32(header, AT_VERSION) == 1 &&
	       get32(header, AT_CRC) == crc32_of(0, copy, BLOCK) &&
	       get32(header, AT_TABLE_BLOCKS) <= TABLE_BLOCKS_MAX;
}

static bool table_block_verifies(const uint8_t *header, const uint8_t *block, uint32_t index)
{
	return get32(block, 4) == index && /* two bytes of index, two reserved */
	       get32(block, 0) == crc32_of(0, block + 4, BLOCK - 4) &&
	       get32(block, 0) == get32(header, AT_TABLE_CRC + 4 * index);
}

static uint32_t copy_blocks(const uint8_t *header)
{
	return 1 + get32(header, AT_TABLE_BLOCKS);
}

/* Header and table blocks; NULL if it can't be read or its header does not verify. */
static uint8_t *read_copy(const char *path, int c)
{
	uint8_t *data = malloc((1 + TABLE_BLOCKS_MAX) * BLOCK);

	if (!io_read(path, copy_sector[c], data, BLOCK_SECTORS) && header_verifies(data) &&
	    !io_read(path, copy_sector[c], data, copy_blocks(data) * BLOCK_SECTORS))
		return data;
	free(data);
	return NULL;
}

static bool copy_is_whole(const uint8_t *data)
{
	uint32_t b;

	for (b = 0; b < get32(data, AT_TABLE_BLOCKS); b++)
		if (!table_block_verifies(data, data + (1 + b) * BLOCK, b))
			return false;
	return true;
}

static uint8_t *read_whole_copy(const char *path)
{
	int c;

	for (c = 0; c < COPIES; c++) {
		uint8_t *data = read_copy(path, c);

		if (data && copy_is_whole(data))
			return data;
		free(data);
	}
	return NULL;
}

int spare_copies(const char *path, struct copy *copies)
{
	struct copy own[COPIES];
	int c, whole = 0;

	if (!copies)
		copies = own;
	memset(copies, 0, COPIES * sizeof(*copies));
	for (c = 0; c < COPIES; c++) {
		uint8_t *data = read_copy(path, c);

		if (!data)
			continue;
		copies[c].whole = copy_is_whole(data);
		copies[c].sequence = get64(data, AT_SEQUENCE);
		copies[c].main_sectors = get64(data, AT_MAIN_SECTORS);
		memcpy(copies[c].uuid, data + AT_UUID, 16);
		copies[c].slots = get32(data, AT_SLOTS);
		copies[c].table_blocks = get32(data, AT_TABLE_BLOCKS);
		whole += copies[c].whole;
		free(data);
	}
	return whole;
}

bool spare_copies_equal(const char *path)
{
	uint8_t *first = read_copy(path, 0), *other;
	bool equal = first && copy_is_whole(first);
	int c;

	for (c = 1; equal && c < COPIES; c++) {
		other = read_copy(path, c);
		equal = other && !memcmp(first, other, copy_blocks(first) * BLOCK);
		free(other);
	}
	free(first);
	return equal;
}

uint64_t spare_sequence(const char *path)
{
	struct copy copies[COPIES];
	uint64_t highest = 0;
	int c;

	spare_copies(path, copies);
	for (c = 0; c < COPIES; c++)
		if (copies[c].whole && copies[c].sequence > highest)
			highest = copies[c].sequence;
	return highest;
}

static uint64_t entry_at(const uint8_t *copy, uint32_t slot)
{
	return get64(copy, (1 + slot / ENTRIES) * BLOCK + 8 + slot % ENTRIES * 8);
}

uint32_t spare_slot_of(const char *path, uint64_t block, uint8_t *spare_mask, uint8_t *lost_mask)
{
	uint8_t *copy = read_whole_copy(path);
	uint32_t slot, found = NO_SLOT;

	for (slot = 0; copy && slot < get32(copy, AT_SLOTS); slot++) {
		uint64_t entry = entry_at(copy, slot);

		if (entry >> 16 != block)
			continue;
		found = slot;
		if (spare_mask)
			*spare_mask = entry;
		if (lost_mask)
			*lost_mask = entry >> 8;
	}
	free(copy);
	return found;
}

static int compare_blocks(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

uint32_t spare_used(const char *path, uint32_t *retired, uint32_t *twice)
{
	uint8_t *copy = read_whole_copy(path);
	uint32_t slots = copy ? get32(copy, AT_SLOTS) : 0, slot, used = 0, i;
	uint64_t *blocks = malloc((slots + 1) * sizeof(*blocks));

	if (retired)
		*retired = 0;
	for (slot = 0; slot < slots; slot++) {
		uint64_t block = entry_at(copy, slot) >> 16;

		if (retired && block == RETIRED_BLOCK)
			++*retired;
		if (block < RETIRED_BLOCK)
			blocks[used++] = block;
	}
	qsort(blocks, used, sizeof(*blocks), compare_blocks);
	if (twice)
		for (*twice = 0, i = 1; i < used; i++)
			*twice += blocks[i] == blocks[i - 1];
	free(blocks);
	free(copy);
	return used;
}

static void flip_bit(const char *path, uint64_t sector, unsigned int byte)
{
	uint8_t data[SECTOR];

	if (io_read(path, sector, data, 1))
		abort();
	data[byte] ^= 0x10;
	if (io_write(path, sector, data, 1))
		abort();
}

void spare_damage(const char *path, int copy, enum damage damage)
{
	uint8_t data[64 * SECTOR] = { 0 };
	unsigned int i;

	switch (damage) {
	case RANDOM:
		for (i = 0; i < sizeof(data); i++)
			data[i] = rand();
		/* fall through */
	case ZEROS:
		if (io_write(path, copy_sector[copy], data, sizeof(data) / SECTOR))
			abort();
		return;
	case FLIPPED_HEADER_BIT:
		/* A different place in each: no two copies are damaged alike. */
		flip_bit(path, copy_sector[copy] + copy, 33 + 64 * copy);
		return;
	case FLIPPED_TABLE_BIT:
		flip_bit(path, copy_sector[copy] + BLOCK_SECTORS + copy, 9 + 64 * copy);
		return;
	}
}

#define COPY_SECTORS 1024

void *spare_save_copy(const char *path, int copy)
{
	void *data = malloc(COPY_SECTORS * SECTOR);

	if (io_read(path, copy_sector[copy], data, COPY_SECTORS))
		abort();
	return data;
}

void spare_restore_copy(const char *path, int copy, const void *saved)
{
	if (io_write(path, copy_sector[copy], saved, COPY_SECTORS))
		abort();
}

uint64_t device_checksum(const char *path, uint64_t sector, uint64_t count)
{
	const uint32_t chunk = 2048;
	uint64_t *data = malloc(chunk * SECTOR), sum = 0;
	uint32_t i;

	for (; count; sector += chunk, count -= count < chunk ? count : chunk) {
		uint32_t part = count < chunk ? count : chunk;

		if (io_read(path, sector, data, part))
			abort();
		for (i = 0; i < part * (SECTOR / sizeof(*data)); i++)
			sum = (sum ^ data[i]) * 0x100000001b3ull;
	}
	free(data);
	return sum;
}
