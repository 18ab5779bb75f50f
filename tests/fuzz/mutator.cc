// SPDX-License-Identifier: GPL-2.0
//
// Mutations of fuzz_metadata's input that keep it one: whole records come, go and change places, and
// new ones say something that a spare could hold.
#include <algorithm>
#include <array>
#include <random>

#include "core/format.h"
#include "image.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using fuzz::Input;
using fuzz::Op;
using fuzz::Record;
using Random = std::minstd_rand;

template <typename T, size_t N>
T one_of(const std::array<T, N>& values, Random& random) {
  return values[random() % N];
}

uint64_t any_number(Random& random) {
  constexpr std::array<uint64_t, 16> kEdges = {
      0, 1, 2, 7, 8, 511, 2047, 2048, 65535, 65536, uint64_t{1} << 32, DMR_MAIN_MAX_SECTORS,
      uint64_t{1} << 63, ~uint64_t{0}, fuzz::kFirstSequence, 32768};
  const uint64_t edge = one_of(kEdges, random) + random() % 3 - 1;
  const uint64_t wide = uint64_t{random()} << 32 ^ random();
  return random() % 3 != 0 ? edge : wide >> random() % 64;
}

uint64_t any_entry(Random& random) {
  constexpr std::array<uint8_t, 6> kMasks = {0, 1, 0x0f, 0xf0, 0xff, 0x80};
  constexpr std::array<uint64_t, 3> kKinds = {dmr::Entry::kFreeBlock, dmr::Entry::kRetiredBlock,
                                              dmr::Entry::kRetiredBlock - 1};
  // Blocks of the usual main, so few that they meet; seldom others.
  const uint64_t block = random() % 4 != 0 ? random() % 32 : random() % 2 != 0 ? 8190 + random() % 4
                         : random() % 2 != 0 ? one_of(kKinds, random) : any_number(random);
  const uint8_t spare = random() % 2 != 0 ? one_of(kMasks, random) : static_cast<uint8_t>(random());
  const uint8_t lost = random() % 2 != 0 ? 0 : one_of(kMasks, random);
  return block << 16 | uint64_t{lost} << 8 | spare;
}

// Copies: all of them, or any.
uint8_t any_copies(Random& random) {
  return random() % 2 != 0 ? 0x1f : static_cast<uint8_t>(random() % 32);
}

Record any_record(Random& random) {
  constexpr std::array<uint16_t, 24> kFields = {0,   8,   12,  16,  32,  40,  48,  56,
                                                60,  64,  68,  72,  136, 176, 238, 240,
                                                248, 256, 304, 312, 328, 1024, 1532, 4088};
  Record r = {};
  r.op = static_cast<uint8_t>(random() % static_cast<uint8_t>(Op::kCount));
  r.copies = r.is_image() ? any_copies(random) : static_cast<uint8_t>(random());
  r.where = static_cast<uint16_t>(random() % 4096);
  r.number = static_cast<uint32_t>(random() % 4 != 0 ? random() % 32 : any_number(random));
  // Where the blocks are that entries are made of.
  r.value = random() % 4 != 0 ? random() % 256 : any_number(random);
  switch (r.what()) {
    case Op::kHeaderBytes:
      r.where = one_of(kFields, random);
      r.number = random() % 2 != 0 ? 7 : random() % 8;
      if (r.where == 56 || r.where == 60) {
        // Slots and table blocks, near what the usual spare has, or together.
        r.number = 3;
        r.value = r.where == 60 ? random() % 8 : 2036 + random() % 16;
        if (r.where == 56 && random() % 2 != 0) r.number = 7, r.value |= uint64_t{3 + random() % 4} << 32;
      }
      break;
    case Op::kEntry:
    case Op::kEntries:
      r.value = any_entry(random);
      break;
    case Op::kResize:
      r.number = random() % 2 != 0 ? 32768 + random() % 4096 : static_cast<uint32_t>(r.value);
      break;
    default:
      break;
  }
  return r;
}

void change_setup(Input& input, Random& random) {
  fuzz::Setup& setup = input.setup;
  switch (random() % 6) {
    case 0:
      setup.flags ^= static_cast<uint8_t>(1u << random() % 8);
      break;
    case 1:
      setup.logical = static_cast<uint8_t>(random() % 4 | (random() % 4) << 4);
      break;
    case 2:
      setup.main_sectors = any_number(random);
      break;
    case 3:
      setup.target_sectors = any_number(random);
      break;
    case 4:
      setup.more_spare_sectors =
          random() % 64 == 0 ? fuzz::kLargestSpare : static_cast<uint32_t>(random() % 4096);
      break;
    default:
      setup.retries = static_cast<uint8_t>(random() % 8);
      setup.identity = static_cast<uint8_t>(random() % 2);
  }
}

void change_one(Input& input, Random& random) {
  auto& records = input.records;
  const size_t at = records.empty() ? 0 : random() % records.size();
  const auto place = records.begin() + static_cast<std::ptrdiff_t>(at);
  const uint32_t kind = random() % 8;
  if (kind == 0) return change_setup(input, random);
  if (records.empty() || (kind <= 3 && records.size() < Input::kRecordsMax)) {
    records.insert(records.begin() + static_cast<std::ptrdiff_t>(random() % (records.size() + 1)),
                   any_record(random));
  } else if (kind == 4) {
    records.erase(place);
  } else if (kind == 5) {
    *place = any_record(random);
  } else if (kind == 6) {
    std::swap(*place, records[random() % records.size()]);
  } else {
    LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(&*place), sizeof *place, sizeof *place);
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  Random random(seed);
  Input input(data, size);
  for (uint32_t changes = 1 + random() % 4; changes != 0; --changes) change_one(input, random);
  return input.store(data, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* first, size_t first_size,
                                            const uint8_t* second, size_t second_size, uint8_t* out,
                                            size_t max_out_size, unsigned int seed) {
  Random random(seed);
  Input input(first, first_size);
  const Input other(second, second_size);
  input.records.resize(random() % (input.records.size() + 1));
  for (size_t i = random() % (other.records.size() + 1); i < other.records.size(); ++i) {
    if (input.records.size() < Input::kRecordsMax) input.records.push_back(other.records[i]);
  }
  return input.store(out, max_out_size);
}
