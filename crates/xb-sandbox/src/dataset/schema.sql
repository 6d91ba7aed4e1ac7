-- What a backup can meet: every kind of table, names of every kind, and everything beside tables.
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE DATABASE `crm-data 2.0` CHARACTER SET utf8mb4;
CREATE DATABASE `książki` CHARACTER SET utf8mb4;
CREATE DATABASE empty_schema;
USE shop;

CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  first_name VARCHAR(40) NOT NULL,
  last_name VARCHAR(40) NOT NULL,
  full_name VARCHAR(81) GENERATED ALWAYS AS (CONCAT(first_name, ' ', last_name)) VIRTUAL,
  email VARCHAR(100) NOT NULL,
  email_domain VARCHAR(100) GENERATED ALWAYS AS (SUBSTRING_INDEX(email, '@', -1)) STORED,
  preferences JSON,
  balance DECIMAL(12,2) NOT NULL DEFAULT 0,
  note VARCHAR(400),
  UNIQUE KEY (email),
  KEY (email_domain)
) ENGINE=InnoDB;

CREATE TABLE products (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  price DECIMAL(10,2) NOT NULL CHECK (price >= 0),
  kind ENUM('tool', 'toy', 'food') NOT NULL,
  tags SET('new', 'sale', 'heavy') NOT NULL DEFAULT ''
) ENGINE=InnoDB;

CREATE TABLE orders (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  ordered_at DATETIME(3) NOT NULL,
  status ENUM('open', 'paid', 'sent') NOT NULL DEFAULT 'open',
  address VARCHAR(200) NOT NULL,
  KEY (ordered_at),
  FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
) ENGINE=InnoDB;

CREATE TABLE order_lines (
  order_id INT UNSIGNED NOT NULL,
  line_no SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  amount DECIMAL(14,2) GENERATED ALWAYS AS (quantity * price) STORED,
  remark VARCHAR(150),
  PRIMARY KEY (order_id, line_no),
  KEY (product_id),
  FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE=InnoDB;

CREATE TABLE audit (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id INT UNSIGNED NOT NULL,
  what VARCHAR(60) NOT NULL
) ENGINE=InnoDB;

CREATE TABLE measurements (
  id INT UNSIGNED NOT NULL,
  taken DATE NOT NULL,
  sensor SMALLINT NOT NULL,
  value DOUBLE NOT NULL,
  raw VARBINARY(100),
  PRIMARY KEY (id, taken)
) ENGINE=InnoDB
PARTITION BY RANGE (YEAR(taken)) (
  PARTITION before_2024 VALUES LESS THAN (2024),
  PARTITION in_2024 VALUES LESS THAN (2025),
  PARTITION in_2025 VALUES LESS THAN (2026),
  PARTITION later VALUES LESS THAN MAXVALUE
);

CREATE TABLE documents (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  title VARCHAR(120) NOT NULL,
  body LONGBLOB,
  thumbnail MEDIUMBLOB
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

CREATE TABLE articles (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  title VARCHAR(200) NOT NULL,
  body TEXT NOT NULL,
  FULLTEXT KEY title_and_body (title, body)
) ENGINE=InnoDB;

CREATE TABLE archived_orders (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  history TEXT NOT NULL
) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;

CREATE TABLE page_compressed (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  text_in_pages TEXT NOT NULL
) ENGINE=InnoDB PAGE_COMPRESSED=1;

CREATE TABLE access_log (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  path VARCHAR(120) NOT NULL,
  agent VARCHAR(120) NOT NULL,
  KEY (path)
) ENGINE=MyISAM;

CREATE TABLE counters (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  total BIGINT NOT NULL,
  note VARCHAR(160)
) ENGINE=Aria TRANSACTIONAL=1;

CREATE TABLE search_cache (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  question VARCHAR(80) NOT NULL,
  answer TEXT NOT NULL
) ENGINE=Aria TRANSACTIONAL=0;

CREATE TABLE staging (id INT NOT NULL PRIMARY KEY, payload VARCHAR(100)) ENGINE=InnoDB;
CREATE TABLE empty_table (id INT NOT NULL PRIMARY KEY, nothing TEXT) ENGINE=InnoDB;
CREATE SEQUENCE order_numbers START WITH 1000;

CREATE TABLE `książki`.`żółw` (
  `klucz główny` INT NOT NULL PRIMARY KEY,
  `tytuł` VARCHAR(100) NOT NULL
) ENGINE=InnoDB;
CREATE TABLE `książki`.`日本語` (id INT NOT NULL PRIMARY KEY, `本` VARCHAR(100)) ENGINE=MyISAM;
CREATE TABLE `crm-data 2.0`.`client list` (id INT NOT NULL PRIMARY KEY, name VARCHAR(100)) ENGINE=InnoDB;
CREATE TABLE `crm-data 2.0`.`a.b-c` (id INT NOT NULL PRIMARY KEY, name VARCHAR(100)) ENGINE=Aria;
CREATE TABLE `crm-data 2.0`.`it's "q``d" #1` (id INT NOT NULL PRIMARY KEY, name VARCHAR(100)) ENGINE=InnoDB;

INSERT INTO `książki`.`żółw` SELECT seq, CONCAT('Zażółć gęślą jaźń ', seq) FROM seq_1_to_200;
INSERT INTO `książki`.`日本語` SELECT seq, CONCAT('吾輩は猫である ', seq) FROM seq_1_to_200;
INSERT INTO `crm-data 2.0`.`client list` SELECT seq, CONCAT('🐢 ', seq) FROM seq_1_to_200;
INSERT INTO `crm-data 2.0`.`a.b-c` SELECT seq, CONCAT('client ', seq) FROM seq_1_to_200;
INSERT INTO `crm-data 2.0`.`it's "q``d" #1` SELECT seq, CONCAT('client ', seq) FROM seq_1_to_200;
INSERT INTO staging SELECT seq, MD5(seq) FROM seq_1_to_500;
SELECT NEXTVAL(order_numbers);

CREATE VIEW customer_totals AS
  SELECT c.id, c.full_name, COUNT(o.id) AS orders
  FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id;
CREATE FUNCTION net_price(gross DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC RETURN gross / 1.23;

DELIMITER //
CREATE PROCEDURE close_orders(IN upto INT UNSIGNED)
BEGIN
  UPDATE orders SET status = 'sent' WHERE id <= upto AND status = 'paid';
  SELECT ROW_COUNT();
END//
CREATE TRIGGER orders_changed AFTER UPDATE ON orders FOR EACH ROW
BEGIN
  IF NEW.status <> OLD.status THEN
    INSERT INTO audit (order_id, what) VALUES (NEW.id, CONCAT(OLD.status, ' to ', NEW.status));
  END IF;
END//
DELIMITER ;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' DO CALL close_orders(100);
