// SPDX-License-Identifier: GPL-2.0
//
// What the fuzzers of text share: a line cut into words as device-mapper cuts it, and mutations of
// such lines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fuzz {

// Each fuzzer's own: words that mean something; whether the first word says how many follow; and
// bytes before the text.
extern const std::vector<std::string> vocabulary;
extern const bool counted;
extern const size_t head_bytes;

// Words end at white space.
std::vector<std::string> split(const uint8_t* data, size_t size);

// As argc and argv; each word is its own allocation, so that a read beyond its end is seen.
class Words {
 public:
  explicit Words(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      char* const copy = new char[word.size() + 1];
      word.copy(copy, word.size());
      copy[word.size()] = 0;
      argv_.push_back(copy);
    }
  }
  ~Words() {
    for (const char* word : argv_) delete[] word;
  }
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;

  uint32_t argc() const { return static_cast<uint32_t>(argv_.size()); }
  const char* const* argv() const { return argv_.data(); }
  std::string at(uint32_t i) const { return argv_[i]; }

 private:
  std::vector<const char*> argv_;
};

}  // namespace fuzz
