__thread int other = 50;
