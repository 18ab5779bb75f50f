// SPDX-License-Identifier: GPL-2.0
//
// Mutations of text by whole words: they come, go and change places, and most of them mean something.
#include "words.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <random>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace fuzz {

std::vector<std::string> split(const uint8_t* data, size_t size) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i <= size; ++i) {
    const int c = i < size ? data[i] : ' ';
    if (c != 0 && !std::isspace(c)) {
      word.push_back(static_cast<char>(c));
    } else if (!word.empty()) {
      words.push_back(word);
      word.clear();
    }
  }
  return words;
}

namespace {

using Random = std::minstd_rand;

std::string any_number(Random& random) {
  const uint64_t edge = uint64_t{1} << random() % 64;
  switch (random() % 5) {
    case 0:
      return std::to_string(random() % 4);
    case 1:
      return std::to_string(edge + random() % 3 - 1);
    case 2:
      return "18446744073709551" + std::to_string(610 + random() % 10);
    case 3:
      return std::string(random() % 24, '0') + std::to_string(random() % 200);
    default:
      return std::to_string(random() % 2000000);
  }
}

std::string any_word(Random& random) {
  if (random() % 3 == 0) return any_number(random);
  return vocabulary[random() % vocabulary.size()];
}

void mutate_bytes(std::string& word) {
  const size_t most = word.size() + 8;
  std::vector<uint8_t> bytes(word.begin(), word.end());
  bytes.resize(most);
  bytes.resize(LLVMFuzzerMutate(bytes.data(), word.size(), most));
  word.assign(bytes.begin(), bytes.end());
}

void change_one(std::vector<std::string>& words, Random& random) {
  const size_t at = words.empty() ? 0 : random() % words.size();
  const uint32_t kind = random() % 8;
  if (words.empty() || kind <= 2) {
    words.insert(words.begin() + static_cast<std::ptrdiff_t>(random() % (words.size() + 1)),
                 any_word(random));
  } else if (kind == 3) {
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(at));
  } else if (kind == 4) {
    std::swap(words[at], words[random() % words.size()]);
  } else if (kind <= 6) {
    words[at] = any_word(random);
  } else {
    mutate_bytes(words[at]);
  }
}

}  // namespace
}  // namespace fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  const size_t head = std::min(size, fuzz::head_bytes);
  std::vector<std::string> words = fuzz::split(data + head, size - head);
  if (fuzz::counted && !words.empty() && random() % 8 != 0) words.erase(words.begin());
  for (uint32_t changes = 1 + random() % 3; changes != 0; --changes) fuzz::change_one(words, random);
  if (fuzz::counted && random() % 8 != 0)
    words.insert(words.begin(), std::to_string(words.size()));
  std::string text(data, data + head);
  text.resize(fuzz::head_bytes);
  if (fuzz::head_bytes != 0 && random() % 8 == 0)
    LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(text.data()), text.size(), text.size());
  for (const std::string& word : words) text += word + ' ';
  const size_t length = std::min(text.size(), max_size);
  text.copy(reinterpret_cast<char*>(data), length);
  return length;
}
