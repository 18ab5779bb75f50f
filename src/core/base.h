// SPDX-License-Identifier: GPL-2.0
//
// What every file of the core uses: strong types for sectors, blocks, slots and sequences, atomics
// from the compiler, assertions, little-endian storage. There is no standard library here.
#pragma once

#include "dm_remap/host.h"
#include "dm_remap/types.h"

#if __STDC_HOSTED__
// A test that looks at the core's parts, beside a standard library that declares these itself.
#include <cstring>
#include <new>
#else
extern "C" {
void* memcpy(void* to, const void* from, dmr_size bytes);
void* memset(void* to, int value, dmr_size bytes);
int memcmp(const void* a, const void* b, dmr_size bytes);
}

inline void* operator new(dmr_size, void* place) noexcept { return place; }
#endif

namespace dmr {

using u8 = dmr_u8;
using u16 = dmr_u16;
using u32 = dmr_u32;
using u64 = dmr_u64;
using i64 = dmr_i64;
using usize = dmr_size;

// Assertions are for bugs of the core. What comes from a disk is validated, never asserted.
#if defined(DMR_DEBUG) && DMR_DEBUG
#define DMR_ASSERT(expression) \
  ((expression) ? (void)0 : dmr_host_assert_failed(#expression, __FILE__, __LINE__))
#else
#define DMR_ASSERT(expression) ((void)sizeof(expression))
#endif

// Numbers that must not be mixed. Each has its own type; value() takes one out.
template <typename Tag, typename Number>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Number value) : value_(value) {}
  constexpr Number value() const { return value_; }
  constexpr bool operator==(const Strong&) const = default;
  constexpr bool operator<(const Strong& other) const { return value_ < other.value_; }

 private:
  Number value_ = 0;
};

using Block = Strong<struct BlockTag, u64>;        // 4 KiB of main: sector / 8
using Slot = Strong<struct SlotTag, u32>;          // 4 KiB of the spare, from its sector 16384 on
using Sequence = Strong<struct SequenceTag, u64>;  // of a committed state; 0 is none

// A bit per sector of a block, bit 0 the first.
using SectorMask = u8;
inline constexpr SectorMask kAllSectors = 0xff;

constexpr Block block_of(u64 sector) { return Block(sector / DMR_BLOCK_SECTORS); }
constexpr u64 first_sector(Block block) { return block.value() * DMR_BLOCK_SECTORS; }
constexpr u64 slot_sector(Slot slot) {
  return DMR_METADATA_SECTORS + u64{slot.value()} * DMR_BLOCK_SECTORS;
}
// Bits [first, first + count) of a block; count is 1 to 8.
constexpr SectorMask mask_of(u32 first, u32 count) {
  return static_cast<SectorMask>(((1u << count) - 1) << first);
}

// Written out: the compiler's builtin may call a library that the kernel does not have.
constexpr u32 bits_in(SectorMask mask) {
  u32 bits = 0;
  for (; mask != 0; mask &= mask - 1) ++bits;
  return bits;
}

// Calls @visit(first, count) for each run of set bits.
template <typename Visit>
void for_each_run(SectorMask mask, Visit visit) {
  for (u32 first = 0; first < DMR_BLOCK_SECTORS;) {
    if (!(mask >> first & 1)) {
      ++first;
      continue;
    }
    u32 count = 1;
    while (first + count < DMR_BLOCK_SECTORS && (mask >> (first + count) & 1)) ++count;
    visit(first, count);
    first += count;
  }
}

template <typename T>
constexpr T min(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
constexpr u64 round_up(u64 value, u64 unit) { return (value + unit - 1) / unit * unit; }

// A little-endian number as it lies on disk. Loads and stores are single and untorn.
template <typename Number>
class Little {
 public:
  Number load() const { return swap(__atomic_load_n(&raw_, __ATOMIC_ACQUIRE)); }
  void store(Number value) { __atomic_store_n(&raw_, swap(value), __ATOMIC_RELEASE); }

 private:
  static constexpr Number swap(Number value) {
    if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
      return value;
    } else if constexpr (sizeof(Number) == 8) {
      return __builtin_bswap64(value);
    } else if constexpr (sizeof(Number) == 4) {
      return __builtin_bswap32(value);
    } else {
      return __builtin_bswap16(value);
    }
  }
  Number raw_;
};

// A number that several contexts change or look at.
template <typename Number>
class Atomic {
 public:
  Number load() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
  void store(Number value) { __atomic_store_n(&value_, value, __ATOMIC_RELEASE); }
  Number add(Number amount) { return __atomic_add_fetch(&value_, amount, __ATOMIC_ACQ_REL); }
  Number exchange(Number value) { return __atomic_exchange_n(&value_, value, __ATOMIC_ACQ_REL); }
  // Raises the value to at least @floor.
  void raise(Number floor) {
    Number seen = load();
    while (seen < floor && !__atomic_compare_exchange_n(&value_, &seen, floor, false,
                                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    }
  }

 private:
  Number value_ = {};
};

// A record that one context changes now and then, and any may read, never half old and half new: the
// kernel's seqcount_latch, with words that may be read while they are written.
template <typename Record>
class Latched {
 public:
  Record load() const {
    u64 words[kWords];
    u32 turn;
    do {
      turn = turn_.load();
      for (u32 i = 0; i < kWords; ++i) words[i] = words_[turn % 2][i].load();
    } while (turn_.load() != turn);
    Record record;
    memcpy(&record, words, sizeof record);
    return record;
  }
  void store(const Record& record) {
    u64 words[kWords];
    memcpy(words, &record, sizeof record);
    const u32 turn = turn_.load() + 1;
    for (u32 i = 0; i < kWords; ++i) words_[turn % 2][i].store(words[i]);
    turn_.store(turn);
  }

 private:
  static_assert(sizeof(Record) % sizeof(u64) == 0);
  static constexpr u32 kWords = sizeof(Record) / sizeof(u64);
  Atomic<u32> turn_;
  Atomic<u64> words_[2][kWords];
};

// A set of small numbers, bit by bit.
template <u32 kBits>
class BitSet {
 public:
  bool has(u32 bit) const { return words_[bit / 64] >> (bit % 64) & 1; }
  void add(u32 bit) { words_[bit / 64] |= u64{1} << (bit % 64); }
  void remove(u32 bit) { words_[bit / 64] &= ~(u64{1} << (bit % 64)); }
  void clear() { memset(words_, 0, sizeof words_); }
  void fill(u32 count) {
    for (u32 bit = 0; bit < count; ++bit) add(bit);
  }

 private:
  u64 words_[(kBits + 63) / 64] = {};
};

// What an operation inside the core came to; the errno of it is the host's business.
enum class [[nodiscard]] Status : u8 {
  kOk,
  kMedium,       // the device failed at this place
  kDevice,       // the device failed for another reason
  kSpareFull,    // no free slot
  kNotDurable,   // fewer than four copies hold
};

}  // namespace dmr
