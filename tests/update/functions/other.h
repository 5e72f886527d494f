int removed_later(int), added_later(int), only_in_new(int);
