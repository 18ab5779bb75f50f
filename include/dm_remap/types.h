/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The integer types and the sizes that both sides of the boundary share.
 *
 * Plain C that is also C++ and needs no other header: the core is compiled with -nostdinc.
 * dmr_u64 is `unsigned long long`, which is the kernel's u64 too.
 */
#ifndef DM_REMAP_TYPES_H
#define DM_REMAP_TYPES_H

typedef unsigned char dmr_u8;
typedef unsigned short dmr_u16;
typedef unsigned int dmr_u32;
typedef unsigned long long dmr_u64;
typedef long long dmr_i64;
typedef __SIZE_TYPE__ dmr_size;

/* A sector is 512 bytes; a block is 8 sectors, aligned on main; a slot is a block's place on the spare. */
#define DMR_SECTOR_BYTES 512u
#define DMR_BLOCK_SECTORS 8u
#define DMR_BLOCK_BYTES 4096u

/* The spare: metadata first, slots behind it. All in sectors. */
#define DMR_COPIES 5u
#define DMR_METADATA_SECTORS 16384u
#define DMR_SPARE_MIN_SECTORS 32768u
#define DMR_SLOTS_MAX 64897u

/* Main: what a parked bio's record of its start can hold (see src/kernel/bio.h). 128 TiB. */
#define DMR_MAIN_MAX_SECTORS (1ull << 38)

#define DMR_UUID_BYTES 16u
#define DMR_LABEL_BYTES 64u /* 63 characters and the terminator */

#endif
