// SPDX-License-Identifier: GPL-2.0
//
// What the fuzzers of text share: a line cut into words as device-mapper cuts it.
#pragma once

#include <cctype>
#include <cstdint>
#include <string>
#include <vector>

namespace fuzz {

// Words end at white space; each is its own allocation, so that a read beyond its end is seen.
class Words {
 public:
  Words(const uint8_t* data, size_t size) {
    std::string word;
    for (size_t i = 0; i <= size; ++i) {
      const int c = i < size ? data[i] : ' ';
      if (c != 0 && !std::isspace(c)) {
        word.push_back(static_cast<char>(c));
      } else if (!word.empty()) {
        add(word);
        word.clear();
      }
    }
  }
  explicit Words(const std::vector<std::string>& words) {
    for (const std::string& word : words) add(word);
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
  void add(const std::string& word) {
    char* const copy = new char[word.size() + 1];
    word.copy(copy, word.size());
    copy[word.size()] = 0;
    argv_.push_back(copy);
  }
  std::vector<const char*> argv_;
};

}  // namespace fuzz
