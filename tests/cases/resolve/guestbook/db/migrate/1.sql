create table messages;
